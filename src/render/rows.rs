//! Data tables as templates see them: lists of maps, without a second copy of what is in them.

use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr, Serde};

use crate::table::{self, Table};

/// A table: the list of its rows.
#[derive(Debug)]
pub(super) struct Rows(pub(super) Table);

/// One row of it: a map.
#[derive(Debug)]
struct RowView {
    table: Table,
    index: usize,
}

impl Object for Rows {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let index = key.as_usize()?;
        self.0.rows().get(index)?;
        Some(Value::from_object(RowView { table: self.0.clone(), index }))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.rows().len())
    }
}

impl RowView {
    fn row(&self) -> Option<&table::Row> {
        self.table.rows().get(self.index)
    }
}

impl Object for RowView {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.row()?.get(key).map(|value| Value::from(Serde(value)))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let columns = self.row().into_iter().flat_map(table::Row::columns);
        Enumerator::Values(columns.map(|column| Value::from(&**column)).collect())
    }
}
