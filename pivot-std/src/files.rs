//! Files as answers (A4).
//!
//! A file is read in pieces into the answer's buffer, as the client takes them: its length costs no memory. The reads are
//! blocking ones, which a file in the page cache answers at once; put slow disks behind another server.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use pivot_core::app::{ErrorStatus, Response, SendError, Sent};
use pivot_core::http::Status;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};

use crate::Error;

/// A folder whose files may be served.
///
/// ```no_run
/// use pivot_core::app::{App, Request, Response, Routes, get};
/// use pivot_std::files::Folder;
///
/// fn app() -> App<impl Routes> {
///     let folder = Folder::open("public").expect("a folder named public");
///     App::new(get("/static/{*path}", async move |req: Request<'_>, res: Response<'_>| {
///         folder.send(req.param("path").unwrap_or(""), res).await
///     }))
/// }
/// ```
#[derive(Debug)]
pub struct Folder {
    folder: File,
}

impl Folder {
    /// Opens a folder.
    ///
    /// # Errors
    /// [`Error::System`] if there is none, or it may not be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat(CWD, path.as_ref(), flags, Mode::empty())
            .map(|folder| Self { folder: folder.into() })
            .map_err(|error| Error::System { what: "open the folder of files", source: error.into() })
    }

    /// Answers with a file of the folder, or of a folder in it. Its ending says its type.
    ///
    /// # Errors
    /// 404 for what is no file, or lies outside: by `..`, by an absolute path, or by a link. Otherwise those of any answer.
    pub async fn send(&self, path: &str, res: Response<'_>) -> Result<Sent, FileError> {
        // NONBLOCK: opening a pipe would wait for its writer.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let file = openat2(&self.folder, path, flags, Mode::empty(), resolve);
        let mut file = File::from(file.map_err(|_| FileError::NotFound)?);
        let metadata = file.metadata().map_err(|_| FileError::NotFound)?;
        if !metadata.is_file() {
            return Err(FileError::NotFound);
        }
        let mut left = metadata.len();
        let mut body = res.sized(content_type(path), left)?;
        while left > 0 {
            let mut read_len = 0;
            body.fill(|space| {
                let len = usize::try_from(left).unwrap_or(usize::MAX).min(space.len());
                read_len = read(&mut file, &mut space[..len]);
                Some(read_len)
            })
            .await?;
            if read_len == 0 {
                // The file has become shorter.
                break;
            }
            left -= read_len as u64;
        }
        // With less than was announced the connection is cut, so that the client does not take it for the whole.
        Ok(body.finish()?)
    }
}

/// Reads what there is; an error ends the file.
fn read(file: &mut File, into: &mut [u8]) -> usize {
    loop {
        match file.read(into) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result.unwrap_or(0),
        }
    }
}

/// Why a file was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileError {
    /// There is no such file in the folder.
    NotFound,
    /// The answer could not be given.
    Send(SendError),
}

impl From<SendError> for FileError {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

impl std::fmt::Display for FileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotFound => f.write_str("there is no such file"),
            Self::Send(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for FileError {}

impl ErrorStatus for FileError {
    fn status(&self) -> Status {
        match self {
            Self::NotFound => Status::NOT_FOUND,
            Self::Send(error) => error.status(),
        }
    }
}

/// The media type by a file's ending; bytes of no known kind if it says nothing.
fn content_type(path: &str) -> &'static str {
    match path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map_or("", |(_, ending)| ending) {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "txt" | "md" => "text/plain; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "wasm" => "application/wasm",
        "pdf" => "application/pdf",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}
