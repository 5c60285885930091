//! Kinds of answers: A6, and the feature `json`.

mod common;

use common::{SECOND, draft, text};
use pivot_core::app::{App, Request, Response, SendError, get};
use pivot_sim::Server;

#[test]
fn each_event_is_sent_when_it_happens_and_every_line_break_is_one() {
    let app = App::new(get("/", async |req: Request<'_>, res: Response<'_>| {
        let mut events = res.events()?;
        events.send(None, "one\r\ntwo\nthree\rfour").await?;
        req.sleep(SECOND).await;
        events.send(Some("tick"), "").await?;
        events.finish()
    }));
    let mut server = Server::new(draft().build().unwrap(), app);
    let client = server.connect();
    server.send(client, b"GET / HTTP/1.0\r\n\r\n");
    let first = "data: one\ndata: two\ndata: three\ndata: four\n\n";
    let answer = text(&server, client);
    assert!(
        answer.contains("content-type: text/event-stream\r\n")
            && answer.contains("cache-control: no-store\r\n")
    );
    assert!(answer.ends_with(first), "{answer}");
    server.advance(SECOND);
    assert!(text(&server, client).ends_with(&format!("{first}event: tick\ndata: \n\n")));
    server.assert_everything_home();
}

#[test]
fn an_event_name_with_a_line_break_is_refused() {
    let app = App::new(get("/", async |_req: Request<'_>, res: Response<'_>| {
        let mut events = res.events()?;
        let refused = events.send(Some("a\nb"), "").await;
        events.send(None, if refused == Err(SendError::InvalidHeader) { "refused" } else { "sent" }).await?;
        events.finish()
    }));
    let mut server = Server::new(draft().build().unwrap(), app);
    let client = server.connect();
    server.send(client, b"GET / HTTP/1.0\r\n\r\n");
    assert!(text(&server, client).ends_with("data: refused\n\n"));
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Order<'a> {
    id: u32,
    item: &'a str,
}

#[test]
fn json_is_read_and_written_in_place() {
    let app = App::new((
        get("/", async |_req, res: Response<'_>| res.json(&Order { id: 7, item: "tea \"green\"" })),
        pivot_core::app::post("/", async |req: Request<'_>, res: Response<'_>| {
            let mut buffer = [0; 64];
            match req.json::<Order<'_>>(&mut buffer).await {
                Ok(order) => res.json(&Order { id: order.id + 1, ..order }),
                Err(error) => res.status(error.status().code()).text("no order"),
            }
        }),
    ));
    let mut server = Server::new(draft().build().unwrap(), app);
    let mut ask = |request: &str| {
        let client = server.connect();
        server.send(client, request.as_bytes());
        text(&server, client)
    };
    let answer = ask("GET / HTTP/1.0\r\n\r\n");
    assert!(answer.contains("content-type: application/json\r\n"));
    assert!(answer.ends_with("\r\n\r\n{\"id\":7,\"item\":\"tea \\\"green\\\"\"}"), "{answer}");
    let post =
        |content: &str| format!("POST / HTTP/1.0\r\nContent-Length: {}\r\n\r\n{content}", content.len());
    assert!(ask(&post("{\"id\":1,\"item\":\"tea\"}")).ends_with("{\"id\":2,\"item\":\"tea\"}"));
    assert!(ask(&post("{\"id\":true}")).starts_with("HTTP/1.1 400 "));
    assert!(ask(&post(&" ".repeat(65))).starts_with("HTTP/1.1 413 "));
}
