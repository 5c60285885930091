//! The example application on smoltcp, linked for a Cortex-M3 with 256 KiB of flash and 64 KiB of RAM.
//!
//! There is no network driver here: the device has no frames. What this shows is that the whole server links without an
//! operating system and without `alloc`, and how large it is.
#![no_std]
#![no_main]

use core::cell::Cell;

use cortex_m_rt::entry;
use panic_halt as _;
use pivot_core::admission::Seed;
use pivot_core::app::{App, Routes};
use pivot_core::http::h1::decode::HeaderSpan;
use pivot_core::mode::{Config, Draft, Profile};
use pivot_core::serve::{self, Host};
use pivot_core::storage::{Arena, Space};
use pivot_core::time::{Duration, Instant};
use pivot_embedded::{Server, Stack, server_size};
use portable_atomic as _;
use smoltcp::iface::Interface;
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

const DRAFT: Draft = Profile::Micro.draft();
const CONFIG: Config = match DRAFT.build() {
    Ok(config) => config,
    Err(_) => panic!("the Micro profile is valid"),
};

/// Everything that the server will ever take: 8 KiB of the 64 are left for the stack and everything else.
static SPACE: Space<{ server_size(app, &CONFIG, &Stack::PRESET, serve::run).within(56 << 10) }> =
    Space::new();

/// The buffers of one connection: its ring each way, a head with its table, an answer. Read from the image by name.
#[used]
#[unsafe(no_mangle)]
static PIVOT_BYTES_A_CONNECTION: u32 = (Stack::PRESET.receive_size
    + Stack::PRESET.send_size
    + DRAFT.head_size_max
    + DRAFT.headers_max * size_of::<HeaderSpan>()
    + 2 * DRAFT.response_size) as u32;

/// A clock that counts how often it was asked.
struct Turns(Cell<u64>);

impl Host for Turns {
    fn now(&self) -> Instant {
        self.0.set(self.0.get() + 1);
        Instant::from_micros(self.0.get())
    }

    fn unix_s(&self) -> Option<u64> {
        None
    }
}

/// A device without frames.
struct Silence;
struct Nothing;

impl RxToken for Nothing {
    fn consume<T, F: FnOnce(&[u8]) -> T>(self, f: F) -> T {
        f(&[])
    }
}

impl TxToken for Nothing {
    fn consume<T, F: FnOnce(&mut [u8]) -> T>(self, len: usize, f: F) -> T {
        let mut frame = [0; 1_514];
        f(&mut frame[..len.min(1_514)])
    }
}

impl Device for Silence {
    type RxToken<'a> = Nothing;
    type TxToken<'a> = Nothing;

    fn receive(&mut self, _: smoltcp::time::Instant) -> Option<(Nothing, Nothing)> {
        None
    }

    fn transmit(&mut self, _: smoltcp::time::Instant) -> Option<Nothing> {
        Some(Nothing)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1_514;
        capabilities
    }
}

fn app() -> App<impl Routes> {
    pivot_examples::app(|| Duration::ZERO)
}

#[entry]
fn main() -> ! {
    let mut device = Silence;
    let address = EthernetAddress([2, 0, 0, 0, 0, 1]);
    let config = smoltcp::iface::Config::new(address.into());
    let mut interface = Interface::new(config, &mut device, smoltcp::time::Instant::ZERO);
    interface.update_ip_addrs(|addresses| {
        let _ = addresses.push(IpCidr::new(IpAddress::v4(10, 0, 0, 1), 24));
    });
    let Some(mut arena) = SPACE.arena() else { panic!("main runs once") };
    let surroundings = (device, interface, Turns(Cell::new(0)));
    let server = Server::new(&mut arena, (CONFIG, Stack::PRESET), app, surroundings, Seed(1, 2), serve::run);
    let Ok(mut server) = server else { panic!("the space suffices: {} bytes", arena.budget().total()) };
    loop {
        server.poll();
    }
}
