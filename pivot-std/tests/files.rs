//! Files as answers: A4.

mod common;

use std::fs;
use std::os::unix::fs::symlink;

use common::{draft, start};
use pivot_core::app::{App, Request, Response, get};
use pivot_std::files::Folder;

#[test]
fn files_of_a_folder_are_sent_and_nothing_outside_of_it() {
    let base = std::env::temp_dir().join(format!("pivot-files-{}", std::process::id()));
    let root = base.join("public");
    fs::create_dir_all(root.join("sub")).unwrap();
    fs::write(base.join("secret.txt"), "secret").unwrap();
    fs::write(root.join("page.html"), "<p>page").unwrap();
    fs::write(root.join("sub/empty.css"), "").unwrap();
    let large: Vec<u8> = (0..5_000_000_u32).map(|at| (at ^ at >> 8) as u8 & 0x7f).collect();
    fs::write(root.join("large.bin"), &large).unwrap();
    symlink(base.join("secret.txt"), root.join("absolute")).unwrap();
    symlink("../secret.txt", root.join("relative")).unwrap();
    symlink("page.html", root.join("inside")).unwrap();
    let folder = root.clone();
    let server = start(draft(), move || {
        let folder = Folder::open(&folder).unwrap();
        App::new(get("/f/{*path}", async move |req: Request<'_>, res: Response<'_>| {
            folder.send(req.param("path").unwrap_or(""), res).await
        }))
    });
    let mut client = server.connect();
    assert_eq!(client.get("/f/page.html"), (200, "<p>page".to_owned()));
    assert_eq!(client.get("/f/sub/empty.css"), (200, String::new()));
    assert_eq!(client.get("/f/inside"), (200, "<p>page".to_owned()));
    assert!(client.get("/f/large.bin").1.as_bytes() == large);
    for path in ["nope", "sub", "absolute", "relative", "%2Fetc%2Fpasswd", "sub%2F..%2F..%2Fsecret.txt"] {
        let (code, content) = client.get(&format!("/f/{path}"));
        assert!(code == 404 || code == 400, "{path}: {code}");
        assert!(!content.contains("secret"), "{path}");
        if code == 400 {
            client = server.connect();
        }
    }
    client.send(b"HEAD /f/page.html HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = client.head();
    assert!(
        head.contains("content-length: 7\r\n") && head.contains("content-type: text/html; charset=utf-8\r\n"),
        "{head}"
    );
    assert_eq!(client.get("/f/page.html").0, 200, "and nothing follows the head");
    drop(client);
    server.end();
    fs::remove_dir_all(base).unwrap();
}
