#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
fn main() {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let env = |n: &str| std::env::var(n).ok();
    let secret = anteroom::auth::Secret::new(env("ANTEROOM_SECRET").unwrap(), true).unwrap();
    let mut keys = anteroom::auth::KeyRing::new(&secret, None);
    for key in env("ANTEROOM_API_KEYS").iter().flat_map(|k| k.split(',')) {
        keys.add_api_key(anteroom::auth::ApiKey::parse(key, true).unwrap()).unwrap();
    }
    use anteroom::types::Millis;
    let listen =
        std::env::args().skip_while(|a| a != "--listen").nth(1).unwrap_or("127.0.0.1:8080".into());
    let config = anteroom::config::Config {
        listen: listen.parse().unwrap(),
        limits: Default::default(),
        open_is_idempotent: false,
        origins: vec![],
        ping_interval: Millis(25000),
        pong_timeout: Millis(60000),
        receipt_timeout: Millis(25000),
        write_timeout: Millis(20000),
        workers: 2,
        grace: Millis(10000),
    };
    anteroom::server::run(config, keys, |a| println!("ready http://{a}")).unwrap();
}
