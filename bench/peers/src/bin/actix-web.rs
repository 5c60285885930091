//! actix-web, without any limit.

use std::time::Duration;

use actix_web::http::header::ContentType;
use actix_web::web::{Json, Path, Query};
use actix_web::{App, HttpResponse, HttpServer, Responder, get};
use pivot_bench_peers::{Burn, HELLO, IDLE_SECONDS, User, arguments, burn, listener};

#[get("/")]
async fn hello() -> impl Responder {
    HttpResponse::Ok().content_type(ContentType::plaintext()).body(HELLO)
}

#[get("/users/{id}")]
async fn show_user(id: Path<u64>) -> impl Responder {
    Json(User::new(*id))
}

#[get("/cpu")]
async fn cpu(query: Query<Burn>) -> impl Responder {
    burn(query.ms);
    "burnt\n"
}

fn main() -> std::io::Result<()> {
    let (address, threads) = arguments();
    actix_web::rt::System::new().block_on(async {
        HttpServer::new(|| App::new().service(hello).service(show_user).service(cpu))
            .workers(threads)
            .keep_alive(Duration::from_secs(IDLE_SECONDS))
            .listen(listener(address, false)?)?
            .run()
            .await
    })
}
