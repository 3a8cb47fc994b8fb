//! safetensors, with the crate of the same name. Each region is a tensor of bytes.

use crate::mapped::map;
use crate::store::{Counts, Look, Reads, Store, read_at, synced};
use crate::work::{Key, Work};
use safetensors::tensor::{Metadata, TensorView};
use safetensors::{Dtype, SafeTensors};
use std::fs::File;
use std::path::Path;

pub struct Tensors;

impl Store for Tensors {
    fn name(&self) -> &'static str {
        "safetensors"
    }

    fn file(&self) -> &'static str {
        "safetensors"
    }

    fn how(&self) -> &'static str {
        "tensors of bytes, in a map; reads counted as a reader by ranges makes them: the header's \
         length, the header, the tensor"
    }

    fn pack(&self, work: &Work, path: &Path) {
        let tensors = work.regions().map(|(key, content)| {
            let view = TensorView::new(Dtype::U8, vec![content.len()], content);
            (key.name(), view.expect("it is sound"))
        });
        safetensors::serialize_to_file(tensors, None, path).expect("it can be written");
        synced(&File::open(path).expect("it was written"));
    }

    fn open(&self, path: &Path, with: &mut dyn FnMut(&mut dyn Look)) {
        let map = map(path);
        with(&mut SafeTensors::deserialize(&map).expect("it was packed"));
    }

    fn cold(&self, path: &Path, key: &Key, out: &mut Vec<u8>) -> Option<Reads> {
        let counts = Counts::default();
        let file = File::open(path).expect("it was packed");
        let len = read_at(&file, 0, 8, &counts);
        let len = u64::from_le_bytes(len.try_into().expect("8 bytes"));
        let header = read_at(&file, 8, len as usize, &counts);
        let metadata: Metadata = serde_json::from_slice(&header).expect("it was packed");
        let (start, end) = metadata.info(key.name()).expect("it is there").data_offsets;
        out.extend(read_at(&file, 8 + len + start as u64, end - start, &counts));
        Some(counts.reads())
    }
}

impl Look for SafeTensors<'_> {
    fn get(&mut self, key: &Key, out: &mut Vec<u8>) -> bool {
        let Ok(tensor) = self.tensor(key.name()) else { return false };
        out.extend_from_slice(tensor.data());
        true
    }
}
