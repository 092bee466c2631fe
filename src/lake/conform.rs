//! Brings rows of files that were written with different schemas to one schema.
//!
//! A table only ever gains columns, also within structs and list elements. Older files lack some columns, and files
//! of a newer build have columns that this build does not know. The newer columns are kept.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, ListArray, RecordBatch, StringArray, StructArray, new_null_array,
};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};

use crate::catalog::SystemColumn;
use crate::delta::delta_error::{DECODING, DeltaError};

/// Unites schemas: the fields of `first` in their order, then the fields that only the other schemas have.
pub(super) fn union<'a>(
    first: &Schema,
    others: impl IntoIterator<Item = &'a Schema>,
) -> Result<SchemaRef, DeltaError> {
    let mut fields = first.fields().to_vec();
    for other in others {
        add_fields(&mut fields, other.fields())?;
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// Gives rows of one integration the columns of `schema`. Missing columns become null. Only the integration key is
/// filled in, because a partitioned table does not store the key in its files.
pub(super) fn conform(
    batch: &RecordBatch,
    schema: &SchemaRef,
    key: &str,
) -> Result<RecordBatch, DeltaError> {
    let rows = batch.num_rows();
    let columns = schema.fields().iter().map(|field| {
        if let Some(column) = batch.column_by_name(field.name()) {
            return conform_array(column, field.data_type());
        }
        if field.name() == SystemColumn::IntegrationKey.name() {
            return Ok(Arc::new(StringArray::new_repeated(key, rows)) as ArrayRef);
        }
        Ok(new_null_array(field.data_type(), rows))
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(|_| DECODING)
}

fn add_fields(fields: &mut Vec<FieldRef>, others: &Fields) -> Result<(), DeltaError> {
    for other in others {
        let Some(known) = fields.iter_mut().find(|known| known.name() == other.name()) else {
            // Rows written earlier have no value for the new column.
            fields.push(Arc::new(other.as_ref().clone().with_nullable(true)));
            continue;
        };
        let merged = union_types(known.data_type(), other.data_type())?;
        if merged != *known.data_type() {
            *known = Arc::new(known.as_ref().clone().with_data_type(merged));
        }
    }
    Ok(())
}

fn union_types(one: &DataType, other: &DataType) -> Result<DataType, DeltaError> {
    match (one, other) {
        (DataType::Struct(known), DataType::Struct(more)) => {
            let mut fields = known.to_vec();
            add_fields(&mut fields, more)?;
            Ok(DataType::Struct(fields.into()))
        }
        (DataType::List(known), DataType::List(more)) => {
            let element = union_types(known.data_type(), more.data_type())?;
            let element = Field::clone(known).with_data_type(element);
            Ok(DataType::List(Arc::new(element)))
        }
        _ if one == other => Ok(one.clone()),
        _ => Err(DECODING),
    }
}

fn conform_array(array: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, DeltaError> {
    if array.data_type() == wanted {
        return Ok(Arc::clone(array));
    }
    match wanted {
        DataType::Struct(fields) => {
            let given = array.as_struct_opt().ok_or(DECODING)?;
            let children = fields
                .iter()
                .map(|field| match given.column_by_name(field.name()) {
                    Some(child) => conform_array(child, field.data_type()),
                    None => Ok(new_null_array(field.data_type(), array.len())),
                });
            let children = children.collect::<Result<Vec<_>, _>>()?;
            let built = StructArray::try_new(fields.clone(), children, given.nulls().cloned());
            Ok(Arc::new(built.map_err(|_| DECODING)?))
        }
        DataType::List(element) => {
            let given = array.as_list_opt::<i32>().ok_or(DECODING)?;
            let values = conform_array(given.values(), element.data_type())?;
            let (offsets, nulls) = (given.offsets().clone(), given.nulls().cloned());
            let built = ListArray::try_new(Arc::clone(element), offsets, values, nulls);
            Ok(Arc::new(built.map_err(|_| DECODING)?))
        }
        _ => Err(DECODING),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;

    use super::*;

    fn person(fields: &[&str]) -> DataType {
        let fields = fields
            .iter()
            .map(|name| Field::new(*name, DataType::Int64, true));
        DataType::Struct(fields.collect())
    }

    fn schema(person: DataType) -> Schema {
        let people = Field::new("element", person, true);
        Schema::new(vec![
            Field::new("integration_key", DataType::Utf8, false),
            Field::new("people", DataType::List(Arc::new(people)), true),
        ])
    }

    #[test]
    fn a_member_that_older_files_lack_is_null_there_and_one_that_is_not_known_is_kept() {
        let (ours, newer) = (schema(person(&["a", "b"])), schema(person(&["a", "c"])));
        let all = union(&ours, [&newer]).expect("they go together");
        assert_eq!(
            all.field(1).data_type(),
            schema(person(&["a", "b", "c"])).field(1).data_type()
        );

        let DataType::Struct(members) = person(&["a", "c"]) else {
            unreachable!("made above")
        };
        let numbers = |values: [i64; 2]| Arc::new(Int64Array::from_iter_values(values)) as ArrayRef;
        let people = StructArray::new(members, vec![numbers([1, 2]), numbers([3, 4])], None);
        let DataType::List(element) = newer.field(1).data_type() else {
            unreachable!("made above")
        };
        let offsets = arrow::buffer::OffsetBuffer::from_lengths([2]);
        let list = ListArray::new(Arc::clone(element), offsets, Arc::new(people), None);
        let stored = Arc::new(Schema::new(vec![newer.field(1).clone()]));
        let batch = RecordBatch::try_new(stored, vec![Arc::new(list)]).expect("one row");

        let given = conform(&batch, &all, "key").expect("it goes");
        assert_eq!(given.column(0).as_string::<i32>().value(0), "key");
        let people = given.column(1).as_list::<i32>().value(0);
        let people = people.as_struct();
        assert_eq!(people.column(1).null_count(), 2, "b is null");
        assert_eq!(people.column(2), &numbers([3, 4]), "c is kept");
    }

    #[test]
    fn a_type_that_changed_is_refused() {
        let text = Schema::new(vec![Field::new("integration_key", DataType::Int64, false)]);
        assert!(union(&schema(person(&["a"])), [&text]).is_err());
    }
}
