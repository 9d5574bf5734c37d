//! stub
use crate::job::{Desired, Job};
use std::collections::BTreeMap;
#[derive(Debug, Clone)]
pub struct Source {
    pub file: String,
    pub text: String,
}
#[derive(Debug, Clone)]
pub struct Sources {
    pub templates: Vec<Source>,
    pub tables: BTreeMap<String, Table>,
}
#[derive(Debug, Clone)]
pub struct Table;
#[derive(Debug, Clone, Copy)]
pub enum TableFormat {
    Csv,
    Json,
    Yaml,
}
impl Table {
    pub fn parse(_: &Source, _: TableFormat, _: Option<&str>) -> Result<Table, Problem> {
        Ok(Table)
    }
}
#[derive(Debug, Clone)]
pub struct Context {
    pub namespace: String,
    pub release: String,
    pub cluster_domain: String,
    pub name_prefix: String,
    pub vars: BTreeMap<String, Var>,
}
#[derive(Debug, Clone)]
pub struct Var {
    pub value: serde_json::Value,
    pub secret: bool,
}
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("x")]
pub struct Problem;
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct Problems(Vec<Problem>);
impl Problems {
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}
impl From<Problem> for Problems {
    fn from(p: Problem) -> Self {
        Problems(vec![p])
    }
}
pub fn render(_: &Sources, _: &Context) -> Result<Desired, Problems> {
    Ok(Desired::default())
}
pub fn to_yaml(_: &[Job]) -> String {
    String::new()
}
