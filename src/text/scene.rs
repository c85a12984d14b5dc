//! What is on the screen, told from its rows: a boot menu, a panic, a login prompt ...
//!
//! One table. A rule looks at how a row begins, frames, blanks and the kernel's time stamp aside, so that a log which
//! merely mentions a panic is not one. What waits for input stands in the last row; of the rest a panic outranks all,
//! and otherwise the lowest row decides: it was said last.

/// What a screen shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// The firmware's own messages or setup.
    Firmware,
    /// The firmware found nothing to boot from.
    NoBootDevice,
    /// PXE or iPXE at work.
    NetworkBoot,
    /// A boot loader's menu or prompt.
    BootMenu,
    /// The UEFI shell.
    UefiShell,
    /// The kernel or init starting.
    Booting,
    /// The kernel has given up, or one of its threads has.
    Panic,
    /// An initramfs, dracut or emergency shell.
    EmergencyShell,
    /// An operating system's installer.
    Installer,
    /// A login prompt.
    Login,
    /// A shell's prompt.
    Shell,
}

impl Scene {
    /// Its name for a model or a person.
    pub fn name(self) -> &'static str {
        match self {
            Self::Firmware => "firmware",
            Self::NoBootDevice => "no bootable device",
            Self::NetworkBoot => "network boot",
            Self::BootMenu => "boot menu",
            Self::UefiShell => "UEFI shell",
            Self::Booting => "booting",
            Self::Panic => "kernel panic or oops",
            Self::EmergencyShell => "initramfs or emergency shell",
            Self::Installer => "installer",
            Self::Login => "login prompt",
            Self::Shell => "shell prompt",
        }
    }
}

/// Which rows a rule looks at, in the order of their weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    /// The last one with text; kernel messages behind it do not count.
    Last,
    /// Any, and nothing else matters.
    Outranks,
    /// Any; the lowest that some rule knows decides.
    Lowest,
}

/// How a row is known.
enum Test {
    /// It begins with one of these.
    Begins(&'static [&'static str]),
    /// A function says so.
    Is(fn(&str) -> bool),
}

impl Test {
    fn holds(&self, row: &str) -> bool {
        match self {
            Self::Begins(beginnings) => beginnings.iter().any(|beginning| row.starts_with(beginning)),
            Self::Is(is) => is(row),
        }
    }
}

use Test::{Begins, Is};
use Where::{Last, Lowest, Outranks};

/// The first rule that holds wins, among those of one weight.
const RULES: [(Scene, Where, Test); 17] = [
    (Scene::Login, Last, Is(is_login)),
    (
        Scene::EmergencyShell,
        Last,
        Begins(&[
            "(initramfs)",
            "dracut:/#",
            "Give root password for",
            "Press Enter for maintenance",
            "(or press Control-D to continue)",
            "(or type Control-D to continue)",
        ]),
    ),
    (Scene::UefiShell, Last, Is(is_uefi_prompt)),
    (Scene::BootMenu, Last, Begins(&["grub>", "grub rescue>", "boot:"])),
    (Scene::NetworkBoot, Last, Begins(&["iPXE>"])),
    (Scene::Shell, Last, Is(is_shell)),
    (Scene::Panic, Outranks, Begins(&["Kernel panic - not syncing", "---[ end Kernel panic", "KERNEL PANIC!"])),
    (
        Scene::Panic,
        Outranks,
        Begins(&[
            "BUG: unable to handle",
            "BUG: kernel NULL pointer",
            "kernel BUG at ",
            "Oops: ",
            "general protection fault",
            "Unable to handle kernel ",
        ]),
    ),
    (
        Scene::BootMenu,
        Outranks,
        Begins(&["GNU GRUB ", "Reboot Into Firmware Interface", "Press [Tab] to edit options"]),
    ),
    (Scene::Installer, Outranks, Begins(&["[!!] ", "[!] ", "[?] ", "[.] "])),
    (
        Scene::EmergencyShell,
        Lowest,
        Begins(&["You are in emergency mode", "You are in rescue mode", "Entering emergency mode.", "ALERT!  "]),
    ),
    (
        Scene::NoBootDevice,
        Lowest,
        Begins(&[
            "No bootable device",
            "No bootable medium",
            "No boot device",
            "No Boot Device",
            "Operating System not found",
            "Operating system not found",
            "Missing operating system",
            "Missing Operating System",
            "Reboot and Select proper Boot device",
            "An operating system wasn't found",
            "Boot Failed. No bootable",
            "Default Boot Device Missing",
        ]),
    ),
    (
        Scene::NetworkBoot,
        Lowest,
        Begins(&[
            "iPXE ",
            "gPXE ",
            "PXE-",
            ">>Start PXE",
            ">>Start HTTP Boot",
            "CLIENT MAC ADDR",
            "Intel(R) Boot Agent",
            "Intel(R) Ethernet ",
            "Nothing to boot: ",
            "No more network devices",
            "Configuring (net",
            "Press Ctrl-B for the iPXE",
        ]),
    ),
    (
        Scene::Installer,
        Lowest,
        Begins(&["Starting installer", "Welcome to the Proxmox VE", "Starting automated install", "anaconda "]),
    ),
    (Scene::UefiShell, Lowest, Begins(&["UEFI Interactive Shell v"])),
    (Scene::Booting, Lowest, Is(is_booting)),
    (
        Scene::Firmware,
        Lowest,
        Begins(&[
            "SeaBIOS (version",
            "Booting from ",
            "American Megatrends",
            "AMIBIOS",
            "Aptio Setup",
            "Phoenix",
            "Press <DEL>",
            "Press DEL ",
            "Press <F2>",
            "Press F2 ",
            "Entering Setup",
            "BIOS Date:",
            "BdsDxe: ",
        ]),
    ),
];

/// What rows of text show, and the row that this rests on; `None` where no rule knows.
pub fn scene(lines: &[String]) -> Option<(Scene, usize)> {
    let bare = |line: &str| line.trim_matches(|ch| ch == ' ' || ('\u{2500}'..='\u{257f}').contains(&ch)).to_owned();
    let rows: Vec<(usize, String)> =
        lines.iter().map(|line| bare(line)).enumerate().filter(|(_, row)| !row.is_empty()).collect();
    // The kernel writes over a prompt, even into its row.
    let last = rows.iter().rev().find(|(_, row)| kernel_message(row).is_none());
    let known = |weight: Where, row: &str| {
        let row = kernel_message(row).map_or(row, |(_, message)| message);
        RULES.iter().find(|(_, of, test)| *of == weight && test.holds(row)).map(|(scene, ..)| *scene)
    };
    let at_last = last.and_then(|(number, row)| known(Last, row).map(|scene| (scene, *number)));
    let anywhere = |weight| move |(number, row): &(usize, String)| known(weight, row).map(|scene| (scene, *number));
    at_last.or_else(|| rows.iter().find_map(anywhere(Outranks))).or_else(|| {
        rows.iter().rev().find_map(|row| {
            let booting = kernel_message(&row.1).is_some_and(|(seconds, _)| seconds < STILL_BOOTING);
            anywhere(Lowest)(row).or(booting.then_some((Scene::Booting, row.0)))
        })
    })
}

/// Seconds after which a kernel that reports something is no longer starting.
const STILL_BOOTING: u64 = 600;

/// The seconds and the message of a row that begins with the kernel's time stamp, `[    1.330339] `.
fn kernel_message(row: &str) -> Option<(u64, &str)> {
    let (stamp, message) = row.strip_prefix('[')?.split_once("] ")?;
    let (seconds, fraction) = stamp.trim_start().split_once('.')?;
    let is_stamp = fraction.len() == 6 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    Some((seconds.parse().ok().filter(|_| is_stamp)?, message))
}

/// `host login:`, with nothing behind it but a name being typed or a kernel message.
fn is_login(row: &str) -> bool {
    let Some((host, rest)) = row.split_once(" login:") else { return false };
    let typed = rest.trim();
    is_host(host) && (!typed.contains(' ') || kernel_message(typed).is_some())
}

fn is_host(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|ch| ch.is_ascii_alphanumeric() || ".-_".contains(ch))
}

/// `Shell>` or `FS0:\EFI\>`.
fn is_uefi_prompt(row: &str) -> bool {
    let Some((path, _)) = row.split_once('>') else { return false };
    path == "Shell"
        || path
            .strip_prefix("FS")
            .is_some_and(|rest| rest.starts_with(|ch: char| ch.is_ascii_digit()) && rest.contains(":\\"))
}

/// `root@host:~#`, `[root@host ~]#`, `bash-5.2$`, `/ #`, with or without a command behind it.
fn is_shell(row: &str) -> bool {
    let Some(end) = row.find(['#', '$', '%']) else { return false };
    let (prompt, rest) = (row[..end].trim_end(), &row[end + 1..]);
    if !(rest.is_empty() || rest.starts_with(' ')) {
        return false;
    }
    let user_at_host = |text: &str| {
        let name = |ch: char| ch.is_ascii_alphanumeric() || ".-_".contains(ch);
        text.split_once('@')
            .is_some_and(|(user, host)| !user.is_empty() && user.chars().all(name) && host.starts_with(name))
    };
    let bracketed = prompt.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).is_some_and(user_at_host);
    // A line of a file may begin with # and go on.
    let is_path = prompt.is_empty() && rest.trim().is_empty()
        || prompt == "~"
        || prompt.starts_with('/') && !prompt.contains(' ');
    let is_bare_shell = ["bash-", "sh-"].iter().any(|shell| {
        prompt.strip_prefix(shell).is_some_and(|version| version.chars().all(|ch| ch.is_ascii_digit() || ch == '.'))
    });
    bracketed || !prompt.contains(' ') && user_at_host(prompt) || is_path || is_bare_shell
}

/// What boot loaders, the kernel and init say when they start something.
fn is_booting(row: &str) -> bool {
    let begins =
        ["Loading Linux ", "Loading initial ramdisk", "EFI stub: ", "Decompressing Linux", "Begin: ", "Welcome to "];
    begins.iter().any(|beginning| row.starts_with(beginning))
        || ["OK", "FAILED", "DEPEND"].iter().any(|word| {
            let status = row.strip_prefix('[').and_then(|row| row.trim_start().strip_prefix(word));
            status.is_some_and(|rest| rest.trim_start().starts_with("] "))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rows: &[&str]) -> Option<(Scene, usize)> {
        scene(&rows.iter().map(|row| (*row).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_prompt_in_the_last_row_is_what_the_screen_shows() {
        assert_eq!(of(&["Debian GNU/Linux 12 debian tty1", "", "debian login:", ""]), Some((Scene::Login, 2)));
        assert_eq!(of(&["ns3 login: [    2.125650] tsc: Refined", "[    2.2] x"]), None);
        assert_eq!(of(&["ns3 login: [    2.125650] tsc: Refined", "[    2.212345] x"]), Some((Scene::Login, 0)));
        assert_eq!(of(&["Kernel panic - not syncing: old", "root@debian:~# dmesg"]), Some((Scene::Shell, 1)));
        for prompt in ["/ #", "~ # ls", "[root@web1 ~]#", "bash-5.2$", "root@rescue:/mnt#", "#", "sh-5.1# mount -a"] {
            assert_eq!(of(&[prompt]), Some((Scene::Shell, 0)), "{prompt}");
        }
        assert_eq!(of(&["ALERT!  /dev/sda1 does not exist.", "(initramfs)"]), Some((Scene::EmergencyShell, 1)));
        assert_eq!(of(&["Shell>"]), Some((Scene::UefiShell, 0)));
        assert_eq!(of(&["FS0:\\EFI\\> ls"]), Some((Scene::UefiShell, 0)));
        assert_eq!(of(&["GRUB loading.", "grub rescue>"]), Some((Scene::BootMenu, 1)));
    }

    #[test]
    fn a_panic_outranks_what_is_around_it() {
        let rows = [
            "[    1.330170] Please append a correct \"root=\" boot option",
            "[    1.330339] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
            "[    1.330641] CPU: 0 PID: 1 Comm: swapper/0 Not tainted 6.1.0-56-cloud-amd64 #1",
            " Debian 6.1.192-2",
        ];
        assert_eq!(of(&rows), Some((Scene::Panic, 1)));
        assert_eq!(of(&["[  77.123456] BUG: unable to handle page fault for address: 0"]), Some((Scene::Panic, 0)));
    }

    #[test]
    fn a_log_that_mentions_a_word_fools_no_rule() {
        for row in [
            "systemd[1]: Starting kernel panic handler",
            "cron: mail says: Kernel panic - not syncing",
            "the debian login: failed three times",
            "No, no bootable device was found by the script",
            "price: 5$ each",
            "50% done",
            "see #12 for GNU GRUB",
            "C# is a language",
            "# a comment",
        ] {
            assert_eq!(of(&[row]), None, "{row}");
        }
        // Hours later a kernel is not booting.
        assert_eq!(of(&["[86400.123456] usb 1-1: new device"]), None);
    }

    #[test]
    fn otherwise_the_lowest_row_decides() {
        let rows = ["SeaBIOS (version 1.16.2)", "Booting from Hard Disk...", "No bootable device."];
        assert_eq!(of(&rows), Some((Scene::NoBootDevice, 2)));
        assert_eq!(of(&rows[..2]), Some((Scene::Firmware, 1)));
        assert_eq!(of(&["iPXE 1.0.0+", "Booting from Hard Disk..."]), Some((Scene::Firmware, 1)));
        assert_eq!(of(&["Loading Linux 6.1 ...", "[    0.000000] Linux version"]), Some((Scene::Booting, 1)));
        assert_eq!(of(&["[  OK  ] Started cron.service"]), Some((Scene::Booting, 0)));
        assert_eq!(of(&["┌────┤ [!!] Select a language ├────┐"]), Some((Scene::Installer, 0)));
        assert_eq!(of(&[" ┌──┐", "     GNU GRUB  version 2.06", " *Debian"]), Some((Scene::BootMenu, 1)));
        assert_eq!(of(&["", "hello"]), None);
    }
}
