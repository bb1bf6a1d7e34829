//! What Linux tells about processes under `/proc` (proc(5)).

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

/// What a process and all that it started have used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Time on a processor, of those too that have ended and been waited for.
    pub cpu: Duration,
    /// Resident memory now, in bytes. Pages that several processes share count for each of them.
    pub memory: u64,
}

/// One line of `/proc/PID/stat`, as far as it is needed.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stat {
    parent: u32,
    /// Clock ticks in user and system mode.
    own_ticks: u64,
    /// The same of its children that have ended and were waited for, and of theirs.
    ended_ticks: u64,
    /// Resident pages.
    pages: u64,
}

/// What a process and its living descendants have used so far.
///
/// # Errors
/// When there is no such process, or `/proc` is not that of Linux.
pub fn usage(process: u32) -> Result<Usage> {
    let stats = all(Path::new("/proc"))?;
    stats.get(&process).with_context(|| format!("process {process} has ended"))?;
    let family = family(process, &stats);
    let pages: u64 = family.iter().map(|stat| stat.pages).sum();
    Ok(Usage {
        cpu: duration(family.iter().map(|stat| stat.own_ticks + stat.ended_ticks).sum()),
        memory: pages * rustix::param::page_size() as u64,
    })
}

/// The memory of one process in bytes, to which pages that several processes share are counted in
/// equal parts.
///
/// # Errors
/// When there is no such process, or it belongs to somebody else.
pub fn proportional(process: u32) -> Result<u64> {
    let file = format!("/proc/{process}/smaps_rollup");
    let text = fs::read_to_string(&file).with_context(|| format!("{file} cannot be read"))?;
    parse_proportional(&text).with_context(|| format!("{file} cannot be understood"))
}

fn parse_proportional(rollup: &str) -> Option<u64> {
    let kibibytes = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    Some(kibibytes.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

/// The process that started another one.
///
/// # Errors
/// When there is no such process.
pub fn parent(process: u32) -> Result<u32> {
    Ok(stat(process)?.parent)
}

/// The processor time of a process' children that have ended and were waited for.
///
/// # Errors
/// When there is no such process.
pub fn of_ended_children(process: u32) -> Result<Duration> {
    Ok(duration(stat(process)?.ended_ticks))
}

fn stat(process: u32) -> Result<Stat> {
    let file = format!("/proc/{process}/stat");
    let line = fs::read_to_string(&file).with_context(|| format!("{file} cannot be read"))?;
    parse_stat(&line).with_context(|| format!("{file} cannot be understood"))
}

/// A process and its living descendants.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn family_ids(process: u32) -> Result<Vec<u32>> {
    let stats = all(Path::new("/proc"))?;
    Ok(stats.keys().copied().filter(|id| descends(*id, process, &stats)).collect())
}

fn all(folder: &Path) -> Result<HashMap<u32, Stat>> {
    let entries = fs::read_dir(folder).context("/proc cannot be read; benchmarks need Linux")?;
    let ids = entries
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    // A process that ends between the two steps has no file any more.
    let stat = |id: u32| {
        let line = fs::read_to_string(folder.join(id.to_string()).join("stat")).ok()?;
        Some((id, parse_stat(&line)?))
    };
    Ok(ids.filter_map(stat).collect())
}

fn family(process: u32, stats: &HashMap<u32, Stat>) -> Vec<Stat> {
    stats.iter().filter(|(id, _)| descends(**id, process, stats)).map(|(_, stat)| *stat).collect()
}

fn descends(mut id: u32, ancestor: u32, stats: &HashMap<u32, Stat>) -> bool {
    // Process 0 is everybody's ancestor, and an id that was used again could make a circle.
    for _ in 0..64 {
        if id == ancestor {
            return true;
        }
        match stats.get(&id) {
            Some(stat) => id = stat.parent,
            None => return false,
        }
    }
    false
}

fn parse_stat(line: &str) -> Option<Stat> {
    // The second field is the program's name in parentheses, which may hold spaces and parentheses.
    let (_, rest) = line.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // `fields[0]` is the third field of proc(5): state, parent, …
    let number = |nth: usize| fields.get(nth - 3)?.parse::<u64>().ok();
    Some(Stat {
        parent: number(4)?.try_into().ok()?,
        own_ticks: number(14)? + number(15)?,
        ended_ticks: number(16)? + number(17)?,
        pages: number(24)?,
    })
}

fn duration(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "4242 (a) b (c) S 17 4242 4242 0 -1 4194560 3563 0 12 0 101 22 3 4 20 0 5 0 \
                        123456 87654400 2048 18446744073709551615 1 1 0 0 0 0";

    #[test]
    fn a_name_with_parentheses_and_spaces_shifts_no_field() {
        let stat = Stat { parent: 17, own_ticks: 101 + 22, ended_ticks: 3 + 4, pages: 2048 };
        assert_eq!(parse_stat(LINE), Some(stat));
    }

    #[test]
    fn a_line_that_is_cut_off_is_no_stat() {
        assert_eq!(parse_stat(""), None);
        assert_eq!(parse_stat("1 (init) S 0 1 1"), None);
    }

    #[test]
    fn the_proportional_share_is_read_and_not_a_part_of_it() {
        let rollup = "5f-7f [rollup]\nRss:    6000 kB\nPss:    4096 kB\nPss_Dirty:  1 kB\n";
        assert_eq!(parse_proportional(rollup), Some(4096 * 1024));
        assert_eq!(parse_proportional("Pss_Dirty: 1 kB\n"), None);
    }

    #[test]
    fn grandchildren_count_and_strangers_do_not() {
        let stat = |parent, own_ticks| Stat { parent, own_ticks, ended_ticks: 0, pages: 1 };
        let stats = HashMap::from([
            (1, stat(0, 1000)),
            (10, stat(1, 1)),
            (11, stat(10, 2)),
            (12, stat(11, 4)),
            (20, stat(1, 8)),
        ]);
        let ticks: u64 = family(10, &stats).iter().map(|stat| stat.own_ticks).sum();
        assert_eq!(ticks, 1 + 2 + 4);
    }

    #[test]
    fn this_process_has_memory() {
        assert!(usage(std::process::id()).expect("this process lives").memory > 0);
    }
}
