//! Module namespaces: what `import * as` gives.

use super::hash_table::for_each_entry;
use super::{Address, ObjectError, Objects, Tagged};
use crate::layout::Field;

impl Objects {
    /// Names and values that the module of a namespace object exports, in no particular order. A hole stands for one that
    /// is not initialised yet.
    ///
    /// # Errors
    /// If the namespace or its module cannot be read.
    pub fn module_exports(
        &self,
        namespace: Address,
    ) -> Result<Vec<(Address, Tagged)>, ObjectError> {
        let word = self.tagged_field(namespace, Field::NamespaceModule)?;
        let module = word.strong().ok_or(ObjectError::NotAnObject {
            address: namespace,
            word: word.0,
        })?;
        let mut exports = Vec::new();
        let Some(table) = self.tagged_field(module, Field::ModuleExports)?.strong() else {
            return Ok(exports);
        };
        for_each_entry(self, table, 0, 2, |_, words| {
            if let &[name, cell] = words
                && let Some(name) = Tagged(name).strong().filter(|name| self.is_string(*name))
                && let Some(cell) = Tagged(cell)
                    .strong()
                    .filter(|cell| self.has_type(*cell, "CELL_TYPE"))
                && let Ok(value) = self.tagged_field(cell, Field::CellValue)
            {
                exports.push((name, value));
            }
            true
        })?;
        Ok(exports)
    }
}
