//! The command line of the server example.

use std::time::Duration;

use pivot_core::admission::classify::ClientIdentity;
use pivot_core::admission::concurrency::{LimitConfig, LimitLaw};
use pivot_core::admission::shed::Strategy;
use pivot_core::admission::{LimitBy, LimitSpec, Quota};
use pivot_core::mode::{Config, Draft, Profile};

/// Who waits for events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Mio,
    Tokio,
}

/// What the command line asks for.
pub(crate) struct Options {
    pub(crate) listen: String,
    pub(crate) admin: String,
    pub(crate) profile: Profile,
    pub(crate) backend: Backend,
    pub(crate) config: Config,
    pub(crate) commit_memory: bool,
}

pub(crate) const HELP: &str = "\
Pivot's example server

Usage: cargo run --release --example server -- [OPTIONS]

Options:
  --listen ADDRESS             where to serve [127.0.0.1:8080]
  --admin ADDRESS              where to serve /metrics /health /livez /readyz [127.0.0.1:8081]
  --workers N                  loops, each a thread, 1-64 [one for each core]
  --profile NAME               standard, high, extreme or micro [high]
  --backend NAME               who waits for events: mio, or tokio for handlers that await it [mio]
  --connections-max N          most open connections; the next one is closed at once
  --connections-per-client N   most open connections from one address
  --concurrency-max N          most requests with a handler at one time
  --queue-max N                most requests that wait for their turn; the next one gets a 503
  --blocking-threads N         threads for handlers that block, such as /block; 0: they run in the loop [4]
  --blocking-queue-max N       most requests that wait for such a thread; the next one gets a 503
  --head-max BYTES             longest head; a longer one gets a 431
  --body-max BYTES             longest content; longer one gets a 413 [1048576]
  --queue-timeout MS           longest wait for a turn; behind it a request gets a 503 [5000]
  --shed NAME                  whom to refuse under overload: adaptive, priority, random or oldest [adaptive]
  --shed-target MS             the wait that adaptive shedding keeps the queue under [20]
  --predict                    adaptive shedding learns who would be answered after the deadline in grpc-timeout
  --limit-law NAME             moves the number of handlers: gradient, vegas, aimd, or fixed at --concurrency-max [gradient]
  --rate-limit N/SECONDS[:BURST]  requests that each client may make; more get a 429 [10000000/1]
  --rate-limit-shadow          only counts whom --rate-limit would refuse
  --key-limit FIELD=N/SECONDS[:BURST]  requests for each value of a header field, such as x-api-key; may come three times
  --trusted-hops N             proxies in front that append to X-Forwarded-For, 0-16 [0]
  --commit-memory              take all memory at start instead of when it is first used
  --trust-class-header         let X-Pivot-Class: high (system critical high normal low batch) set the class
  --help                       this text
";

/// Every client may do this: it is looked up and charged all the same.
const PLENTY: u32 = 10_000_000;

/// Reads the options. `Ok(None)`: the help was asked for.
pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let arguments: Vec<String> = arguments.collect();
    let profile = match arguments.iter().position(|argument| argument == "--profile") {
        None => Profile::High,
        Some(index) => {
            let name = arguments.get(index + 1).ok_or("--profile needs a value; see --help")?;
            Profile::from_name(name).ok_or_else(|| {
                format!("--profile {name}: the profiles are standard, high, extreme and micro")
            })?
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let quota = Quota::new(PLENTY, Duration::from_secs(1), PLENTY).map_err(|error| error.to_string())?;
    let mut draft = Draft { workers: cores, quota, ..profile.draft() };
    let (mut listen, mut admin) = ("127.0.0.1:8080".to_owned(), "127.0.0.1:8081".to_owned());
    let (mut backend, mut commit_memory) = (Backend::Mio, false);
    let mut limits = Vec::new();
    let mut rest = arguments.into_iter();
    while let Some(option) = rest.next() {
        match option.as_str() {
            "--help" | "-h" => return Ok(None),
            "--commit-memory" => {
                commit_memory = true;
                continue;
            }
            "--trust-class-header" => {
                draft.trust_class_header = true;
                continue;
            }
            "--rate-limit-shadow" => {
                draft.quota_is_shadow = true;
                continue;
            }
            "--predict" => {
                adaptive(&mut draft, &option, |_, predict| *predict = true)?;
                continue;
            }
            _ => {}
        }
        let known = [
            "--listen",
            "--admin",
            "--workers",
            "--profile",
            "--backend",
            "--connections-max",
            "--connections-per-client",
            "--concurrency-max",
            "--queue-max",
            "--queue-timeout",
            "--shed",
            "--shed-target",
            "--limit-law",
            "--blocking-threads",
            "--blocking-queue-max",
            "--head-max",
            "--body-max",
            "--rate-limit",
            "--key-limit",
            "--trusted-hops",
        ];
        if !known.contains(&option.as_str()) {
            return Err(format!("unknown option {option}; --help lists them all"));
        }
        let value = rest.next().ok_or_else(|| format!("{option} needs a value; see --help"))?;
        let number = || value.parse::<usize>().map_err(|_| format!("{option} {value}: not a number"));
        match option.as_str() {
            "--listen" => listen = value,
            "--admin" => admin = value,
            "--workers" => draft.workers = number()?,
            "--backend" => {
                backend = match value.as_str() {
                    "mio" => Backend::Mio,
                    "tokio" => Backend::Tokio,
                    _ => return Err(format!("--backend {value}: the backends are mio and tokio")),
                }
            }
            "--connections-max" => {
                // The cap for each client is off unless it is set, whatever the cap in all.
                if draft.connections_per_client >= draft.connections_max {
                    draft.connections_per_client = u32::MAX as usize;
                }
                draft.connections_max = number()?;
            }
            "--connections-per-client" => draft.connections_per_client = number()?,
            "--concurrency-max" => {
                draft.concurrency_max = number()?;
                draft.concurrency_reserved = draft.concurrency_reserved.min(draft.concurrency_max / 8);
                draft.blocking_queue_max =
                    draft.blocking_queue_max.min(draft.concurrency_max.div_ceil(4)).max(1);
                // Each running request may hold one of each.
                draft.requests_max = draft.requests_max.max(draft.concurrency_max);
                draft.responses_max = draft.responses_max.max(draft.concurrency_max);
                draft.streams_max = draft.streams_max.max(draft.concurrency_max);
            }
            "--queue-max" => {
                draft.queue_max = number()?;
                draft.requests_max =
                    draft.requests_max.max(draft.concurrency_max.saturating_add(draft.queue_max));
            }
            "--head-max" => {
                draft.head_size_max = number()?;
                draft.target_size_max = draft.target_size_max.min(draft.head_size_max);
            }
            "--blocking-threads" => draft.blocking_threads = number()?,
            "--blocking-queue-max" => draft.blocking_queue_max = number()?,
            "--body-max" => draft.body_size_max = number()? as u64,
            "--rate-limit" => draft.quota = parse_quota(&option, &value)?,
            "--queue-timeout" => draft.timeouts.queue = Duration::from_millis(number()? as u64),
            "--shed" => draft.shed.strategy = strategy(&value)?,
            "--shed-target" => {
                let ms = number()? as u64;
                adaptive(&mut draft, &option, |target, _| *target = Duration::from_millis(ms))?;
            }
            "--limit-law" => draft.limit = limit(&value, draft.limit)?,
            "--key-limit" => limits.push(key_limit(&value)?),
            "--trusted-hops" => {
                let hops = u8::try_from(number()?).unwrap_or(u8::MAX);
                draft.client = ClientIdentity::x_forwarded_for(hops);
            }
            _ => {}
        }
    }
    // For as long as the server runs, and that is as long as the process.
    draft.limits = limits.leak();
    let config = draft.build().map_err(|error| error.to_string())?;
    Ok(Some(Options { listen, admin, profile, backend, config, commit_memory }))
}

/// `N/SECONDS[:BURST]`; the burst is N if it is left out.
fn parse_quota(option: &str, value: &str) -> Result<Quota, String> {
    let shape = || format!("{option} {value}: it has to look like 100/60 or 100/60:10");
    let (count, rest) = value.split_once('/').ok_or_else(shape)?;
    let (seconds, burst) = rest.split_once(':').unwrap_or((rest, count));
    let number = |text: &str| text.parse::<u32>().map_err(|_| shape());
    Quota::new(number(count)?, Duration::from_secs(number(seconds)?.into()), number(burst)?)
        .map_err(|error| format!("{option} {value}: {error}"))
}

/// `FIELD=N/SECONDS[:BURST]`
fn key_limit(value: &str) -> Result<LimitSpec, String> {
    let (field, quota) = value
        .split_once('=')
        .ok_or_else(|| format!("--key-limit {value}: it has to look like x-api-key=100/60"))?;
    let name: &'static str = field.to_owned().leak();
    let quota = parse_quota("--key-limit", quota)?;
    Ok(LimitSpec { name, by: LimitBy::header(name), quota, keys_max: 65_536, is_shadow: false })
}

fn strategy(name: &str) -> Result<Strategy, String> {
    match name {
        "adaptive" => Ok(Strategy::ADAPTIVE),
        "priority" => Ok(Strategy::PRIORITY),
        "random" => Ok(Strategy::RANDOM),
        "oldest" => Ok(Strategy::OLDEST),
        _ => Err(format!("--shed {name}: the strategies are adaptive, priority, random and oldest")),
    }
}

/// Changes what only adaptive shedding has.
fn adaptive(
    draft: &mut Draft,
    option: &str,
    change: impl FnOnce(&mut Duration, &mut bool),
) -> Result<(), String> {
    match &mut draft.shed.strategy {
        Strategy::Adaptive { target, predict, .. } => {
            change(target, predict);
            Ok(())
        }
        _ => Err(format!("{option} belongs to adaptive shedding, and comes after --shed")),
    }
}

fn limit(name: &str, limit: Option<LimitConfig>) -> Result<Option<LimitConfig>, String> {
    let law = match name {
        "fixed" => return Ok(None),
        "aimd" => LimitLaw::Aimd,
        "vegas" => LimitLaw::Vegas,
        "gradient" => LimitLaw::Gradient,
        _ => return Err(format!("--limit-law {name}: the laws are gradient, vegas, aimd and fixed")),
    };
    Ok(Some(LimitConfig { law, ..limit.unwrap_or(LimitConfig::PRESET) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Options, String> {
        parse(line.split_whitespace().map(str::to_owned)).map(|options| options.expect("no help asked for"))
    }

    #[test]
    fn every_option_of_the_help_reaches_its_field() {
        let line = "--listen 127.0.0.1:1 --admin 127.0.0.1:2 --workers 3 --profile standard --backend tokio \
            --connections-max 40 --connections-per-client 5 --concurrency-max 60 --queue-max 70 --head-max 8000 \
            --blocking-threads 3 --blocking-queue-max 7 --body-max 90 --rate-limit 10/60:4 --rate-limit-shadow --key-limit x-api-key=5/1 --trusted-hops 2 \
            --queue-timeout 300 --shed adaptive --shed-target 30 --predict --limit-law vegas --trust-class-header \
            --commit-memory";
        let options = parsed(line).unwrap();
        let config = options.config;
        assert_eq!((options.listen.as_str(), options.admin.as_str()), ("127.0.0.1:1", "127.0.0.1:2"));
        assert_eq!((options.profile, options.commit_memory), (Profile::Standard, true));
        assert_eq!(options.backend, Backend::Tokio);
        assert_eq!((config.workers, config.connections_max, config.connections_per_client), (3, 40, 5));
        assert_eq!((config.concurrency_max, config.queue_max), (60, 70));
        assert_eq!((config.blocking_threads, config.blocking_queue_max), (3, 7));
        assert_eq!((config.head_size_max, config.body_size_max), (8_000, 90));
        assert_eq!(config.quota, Quota::new(10, Duration::from_secs(60), 4).unwrap());
        assert_eq!((config.client, config.trust_class_header), (ClientIdentity::x_forwarded_for(2), true));
        assert_eq!((config.quota_is_shadow, config.timeouts.queue), (true, Duration::from_millis(300)));
        let quota = Quota::new(5, Duration::from_secs(1), 5).unwrap();
        let by = LimitBy::header("x-api-key");
        let limit = LimitSpec { name: "x-api-key", by, quota, keys_max: 65_536, is_shadow: false };
        assert_eq!(config.limits, [limit]);
        let target = Duration::from_millis(30);
        assert_eq!(config.shed.strategy, Strategy::Adaptive { target, queue_min: 8, predict: true });
        assert_eq!(config.limit.map(|limit| limit.law), Some(LimitLaw::Vegas));
        let options = HELP.lines().filter_map(|line| line.trim_start().split(' ').next());
        for option in options.filter(|word| word.starts_with("--") && *word != "--help") {
            assert!(line.contains(option), "{option} is in the help and not tested here");
        }
        assert!(parse(["--help".to_owned()].into_iter()).unwrap().is_none());
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line_with_what_to_do() {
        for (line, said) in [
            ("--nope", "unknown option --nope; --help lists them all"),
            ("--workers", "--workers needs a value; see --help"),
            ("--workers x", "--workers x: not a number"),
            ("--workers 0", "workers is 0, but has to be in 1-64"),
            ("--concurrency-max 0", "concurrency_max is 0, but has to be in 1-100000"),
            ("--profile big", "--profile big: the profiles are standard, high, extreme and micro"),
            ("--shed all", "--shed all: the strategies are adaptive, priority, random and oldest"),
            ("--shed oldest --predict", "--predict belongs to adaptive shedding, and comes after --shed"),
            ("--limit-law x", "--limit-law x: the laws are gradient, vegas, aimd and fixed"),
            ("--key-limit k", "--key-limit k: it has to look like x-api-key=100/60"),
            ("--trusted-hops 17", "client.hops is 17, but has to be in 0-16"),
            ("--rate-limit 5", "--rate-limit 5: it has to look like 100/60 or 100/60:10"),
            ("--head-max 100", "head_size_max is 100, but has to be in 256-65535"),
            ("--backend epoll", "--backend epoll: the backends are mio and tokio"),
        ] {
            assert_eq!(parsed(line).err().as_deref(), Some(said), "{line}");
        }
    }
}
