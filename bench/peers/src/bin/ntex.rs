//! ntex on its tokio runtime, without any limit.

use ntex::SharedCfg;
use ntex::http::{HttpServiceConfig, KeepAlive};
use ntex::time::Seconds;
use ntex::web::types::{Path, Query};
use ntex::web::{App, HttpResponse, HttpServer, Responder, get};
use pivot_bench_peers::{Burn, HELLO, IDLE_SECONDS, TEXT, User, arguments, burn, listener};

#[get("/")]
async fn hello() -> impl Responder {
    HttpResponse::Ok().content_type(TEXT).body(HELLO)
}

#[get("/users/{id}")]
async fn show_user(id: Path<u64>) -> impl Responder {
    HttpResponse::Ok().json(&User::new(*id))
}

#[get("/cpu")]
async fn cpu(query: Query<Burn>) -> impl Responder {
    burn(query.ms);
    "burnt\n"
}

#[ntex::main]
async fn main() -> std::io::Result<()> {
    let (address, threads) = arguments();
    let keep_alive = KeepAlive::Timeout(Seconds(IDLE_SECONDS as u16));
    HttpServer::new(async || App::new().service((hello, show_user, cpu)))
        .workers(threads)
        .config(SharedCfg::new("bench").add(HttpServiceConfig::new().set_keepalive(keep_alive)))
        .listen(listener(address, false)?)?
        .run()
        .await
}
