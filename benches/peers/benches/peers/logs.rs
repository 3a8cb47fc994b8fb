//! MCAP, with the crate `mcap`. Each region is an attachment, because only attachments have names.

use crate::mapped::map;
use crate::store::{Counting, Counts, Look, Reads, Store, read_at, synced};
use crate::work::{Key, Work};
use mcap::records::{AttachmentHeader, AttachmentIndex};
use mcap::sans_io::summary_reader::{SummaryReadEvent, SummaryReader, SummaryReaderOptions};
use mcap::{Summary, WriteOptions};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Read, Seek};
use std::path::Path;

/// The length in bytes of the buffer through which the file is read, if reads are counted.
const BUFFER: usize = 64 * 1024;

pub struct Mcap;

impl Store for Mcap {
    fn name(&self) -> &'static str {
        "mcap"
    }

    fn file(&self) -> &'static str {
        "mcap"
    }

    fn how(&self) -> &'static str {
        "attachments, without checksums; in a map; a hash map of the names is made of the summary \
         when it is opened; reads counted below a buffer of 64 KiB"
    }

    fn pack(&self, work: &Work, path: &Path) {
        let file = File::create(path).expect("it can be created");
        let handle = file.try_clone().expect("it is open");
        let options = WriteOptions::new()
            .compression(None)
            .use_chunks(false)
            .calculate_attachment_crcs(false)
            .calculate_data_section_crc(false)
            .calculate_summary_section_crc(false);
        let mut writer =
            options.create(BufWriter::with_capacity(1 << 20, file)).expect("it can be written");
        for (key, content) in work.regions() {
            let header = AttachmentHeader {
                log_time: 0,
                create_time: 0,
                name: key.name().to_owned(),
                media_type: String::new(),
            };
            writer.start_attachment(content.len() as u64, header).expect("it can be written");
            writer.put_attachment_bytes(content).expect("it can be written");
            writer.finish_attachment().expect("it can be written");
        }
        writer.finish().expect("it can be written");
        drop(writer);
        synced(&handle);
    }

    fn open(&self, path: &Path, with: &mut dyn FnMut(&mut dyn Look)) {
        let map = map(path);
        let summary = Summary::read(&map).expect("it was packed").expect("it has a summary");
        with(&mut Open { map: &map, attachments: by_name(summary) });
    }

    fn cold(&self, path: &Path, key: &Key, out: &mut Vec<u8>) -> Option<Reads> {
        let counts = Counts::default();
        let mut file = Counting::open(path, BUFFER, &counts);
        let len = std::fs::metadata(path).expect("it was packed").len();
        let options = SummaryReaderOptions::default().with_file_size(len);
        let mut reader = SummaryReader::new_with_options(options);
        while let Some(event) = reader.next_event() {
            match event.expect("it was packed") {
                SummaryReadEvent::ReadRequest(n) => {
                    let read = file.read(reader.insert(n)).expect("it can be read");
                    reader.notify_read(read);
                }
                SummaryReadEvent::SeekRequest(to) => {
                    reader.notify_seeked(file.seek(to).expect("it can be sought"));
                }
            }
        }
        let attachments = by_name(reader.finish().expect("it has a summary"));
        let mut index = attachments.get(key.name())?.clone();
        let file = File::open(path).expect("it was packed");
        let record = read_at(&file, index.offset, index.length as usize, &counts);
        index.offset = 0;
        out.extend_from_slice(&mcap::read::attachment(&record, &index).expect("it is sound").data);
        Some(counts.reads())
    }
}

fn by_name(summary: Summary) -> HashMap<String, AttachmentIndex> {
    let indexes = summary.attachment_indexes.into_iter();
    indexes.map(|index| (index.name.clone(), index)).collect()
}

struct Open<'m> {
    map: &'m [u8],
    attachments: HashMap<String, AttachmentIndex>,
}

impl Look for Open<'_> {
    fn get(&mut self, key: &Key, out: &mut Vec<u8>) -> bool {
        let Some(index) = self.attachments.get(key.name()) else { return false };
        let attachment = mcap::read::attachment(self.map, index).expect("it is sound");
        out.extend_from_slice(&attachment.data);
        true
    }
}
