//! stub
use super::{Command, Message, Queue, QueueConfig};
use std::sync::Arc;
pub struct Image;
pub struct Damaged;
pub struct BlockImage {
    pub partition: u32,
    pub block: u64,
    pub messages: Vec<Arc<Message>>,
}
impl Image {
    pub fn needed_blocks(&self) -> Vec<(u32, u64, u64)> {
        Vec::new()
    }
}
impl Queue {
    pub fn image(&self) -> Image {
        Image
    }
    pub fn unsaved_blocks(&mut self, _: usize) -> Vec<BlockImage> {
        Vec::new()
    }
    pub fn forget_saved(&mut self) {}
    pub fn leased(&self) -> usize {
        1
    }
    pub fn restore(config: QueueConfig, _: Image, _: Vec<BlockImage>) -> Result<Self, Damaged> {
        Ok(Self::new(config))
    }
}
impl Command {
    pub fn grows(&self) -> bool {
        matches!(self, Command::Send { .. })
    }
}
