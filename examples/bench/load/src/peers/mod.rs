//! The servers that can be measured, by name.
pub mod beanstalkd;
pub mod line;
pub mod meshagent;
pub mod native;
pub mod nats;
pub mod rabbitmq;
pub mod redis;
pub mod ws_echo;

use crate::peer::{Opts, Peer};
use anyhow::{bail, Result};

pub fn by_name(name: &str, o: Opts) -> Result<Box<dyn Peer>> {
    Ok(match name {
        "anteroom" => Box::new(native::Native { o }),
        "nats" => Box::new(nats::Nats { o }),
        "redis-list" => Box::new(redis::RedisList { o }),
        "redis-stream" => Box::new(redis::RedisStream { o }),
        "rabbitmq" => Box::new(rabbitmq::Rabbit { o }),
        "beanstalkd" => Box::new(beanstalkd::Beanstalkd { o }),
        "meshagent" => Box::new(meshagent::Meshagent { o, echo: false }),
        "meshagent-echo" => Box::new(meshagent::Meshagent { o, echo: true }),
        "ws-echo" => Box::new(ws_echo::WsEcho { o }),
        _ => bail!("no driver {name}"),
    })
}
