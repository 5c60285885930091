//! xitca-web, without any limit.

use std::time::Duration;

use pivot_bench_peers::{Burn, HELLO, IDLE_SECONDS, User, arguments, burn, listener};
use xitca_web::App;
use xitca_web::handler::handler_service;
use xitca_web::handler::json::Json;
use xitca_web::handler::params::Params;
use xitca_web::handler::query::Query;
use xitca_web::route::get;

async fn show_user(Params(id): Params<u64>) -> Json<User> {
    Json(User::new(id))
}

async fn cpu(Query(query): Query<Burn>) -> &'static str {
    burn(query.ms);
    "burnt\n"
}

fn main() -> std::io::Result<()> {
    let (address, threads) = arguments();
    App::new()
        .at("/", get(handler_service(async || HELLO)))
        .at("/users/{id}", get(handler_service(show_user)))
        .at("/cpu", get(handler_service(cpu)))
        .serve()
        .worker_threads(threads)
        .keep_alive_timeout(Duration::from_secs(IDLE_SECONDS))
        .listen(listener(address, false)?)?
        .run()
        .wait()
}
