//! stub
use crate::render::*;
use std::collections::BTreeMap;
use std::path::*;
pub fn sources(_: &[PathBuf], _: &BTreeMap<String, String>) -> Result<Sources, Problems> {
    Ok(Sources { templates: vec![], tables: BTreeMap::new() })
}
pub fn values(_: &Path) -> Result<BTreeMap<String, serde_json::Value>, Problems> {
    Ok(BTreeMap::new())
}
pub fn vars_dir(_: &Path) -> Result<BTreeMap<String, String>, Problems> {
    Ok(BTreeMap::new())
}
