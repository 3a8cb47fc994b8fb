//! Positioned reads that block no other request. If the system has the bytes in memory, a read is
//! immediate. Otherwise it runs on a thread that may block.

use bytes::{Bytes, BytesMut};
use std::fs::File;
use std::io;
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// The maximum length of one read, in bytes.
pub(crate) const PIECE: usize = 64 * 1024;

/// Reads `len` bytes from `at`, at most [`PIECE`]. Returns `None` if the read would wait, or if the
/// system cannot tell.
pub(crate) fn read_now(file: &File, at: u64, len: usize) -> Option<io::Result<Bytes>> {
    #[cfg(target_os = "linux")]
    {
        use rustix::io::{Errno, ReadWriteFlags, preadv2};
        let mut piece = BytesMut::zeroed(len.min(PIECE));
        let into = &mut [io::IoSliceMut::new(&mut piece)];
        match preadv2(file, into, at, ReadWriteFlags::NOWAIT) {
            Ok(read) => {
                piece.truncate(read);
                Some(Ok(piece.freeze()))
            }
            // The bytes are not in memory, or the file system cannot tell.
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::INTR | Errno::NOSYS) => None,
            Err(error) => Some(Err(error.into())),
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (file, at, len);
        None
    }
}

/// Reads `len` bytes from `at`, at most [`PIECE`], on a thread that may block.
pub(crate) async fn read_later(file: Arc<File>, at: u64, len: usize) -> io::Result<Bytes> {
    let read = spawn_blocking(move || {
        let mut piece = BytesMut::zeroed(len.min(PIECE));
        loop {
            match read_at(&file, at, &mut piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(read) => {
                    piece.truncate(read);
                    return Ok(piece.freeze());
                }
            }
        }
    });
    read.await.map_err(io::Error::other)?
}

/// Reads a file by position.
pub(crate) fn read_at(file: &File, at: u64, into: &mut [u8]) -> io::Result<usize> {
    #[cfg(unix)]
    let read = std::os::unix::fs::FileExt::read_at(file, into, at);
    #[cfg(windows)]
    let read = std::os::windows::fs::FileExt::seek_read(file, into, at);
    read
}

#[cfg(test)]
mod tests {
    use super::{read_later, read_now};
    use std::fs::File;
    use std::sync::Arc;

    #[test]
    fn both_ways_read_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, b"0123456789").unwrap();
        let file = Arc::new(File::open(&path).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for (at, len, expected) in [(2, 3, "234"), (8, 5, "89"), (10, 1, ""), (50, 1, "")] {
            let later = runtime.block_on(read_later(Arc::clone(&file), at, len)).unwrap();
            assert_eq!(later, expected);
            if let Some(now) = read_now(&file, at, len) {
                assert_eq!(now.unwrap(), expected);
            }
        }
    }
}
