//! Screens as consoles show them, painted with their text: kernel logs, tokens that no dictionary helps with, menus.

use ikvm_mcp::base::Frame;
use ikvm_mcp::text::Font;

use super::paint::{BLACK, COLORS, GRAY, Screen};

/// A linear congruential generator: the same screens in every run.
pub struct Random(pub u64);

impl Random {
    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn of<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// What a screen shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Log,
    Tokens,
    Menu,
}

/// A picture and its rows, the cells outside it aside.
pub fn console(
    kind: Kind,
    font: &Font,
    size: (usize, usize),
    origin: (usize, usize),
    random: &mut Random,
) -> (Frame, Vec<String>) {
    let mut screen = Screen::new(font, size.0, size.1).at(origin.0, origin.1);
    if kind == Kind::Menu {
        screen.frame.pixels.fill(COLORS[1]);
    }
    let (columns, rows) = screen.size();
    let mut text: Vec<Vec<char>> = Vec::new();
    let mut write = |row: usize, column: usize, line: &str, ink, paper| {
        let line: String = line.chars().take(columns.saturating_sub(column)).collect();
        screen.write(row, column, &line, ink, paper);
        text.resize(rows, vec![' '; columns]);
        for (at, ch) in (column..).zip(line.chars()) {
            text[row][at] = if font.rows(ch).is_some() { ch } else { ' ' };
        }
    };
    match kind {
        Kind::Log => {
            for row in 0..rows - 1 {
                write(row, 0, &log_line(row, random), GRAY, BLACK);
            }
        }
        Kind::Tokens => {
            for row in 0..rows {
                write(row, 0, &token_line(columns, random), GRAY, BLACK);
            }
        }
        Kind::Menu => {
            let (blue, white) = (COLORS[1], COLORS[15]);
            for row in 0..rows {
                write(row, 0, &" ".repeat(columns), GRAY, blue);
            }
            let inner = columns.min(60) - 2;
            write(1, 1, &format!("┌{}┐", "─".repeat(inner)), white, blue);
            for row in 2..rows - 2 {
                let entry = format!(" {:<1$}", entry(random), inner - 1);
                let entry: String = entry.chars().take(inner).collect();
                write(row, 1, &format!("│{entry}│"), GRAY, blue);
                if row == 4 {
                    write(row, 2, &entry, BLACK, GRAY);
                }
            }
            write(rows - 2, 1, &format!("└{}┘", "─".repeat(inner)), white, blue);
        }
    }
    let lines = text.iter().map(|row| row.iter().collect::<String>().trim_end().to_owned()).collect();
    (screen.frame, lines)
}

const WORDS: [&str; 24] = [
    "usb",
    "device",
    "registered",
    "PCI",
    "bridge",
    "window",
    "mem",
    "Kernel",
    "initialized",
    "ACPI",
    "Interpreter",
    "driver",
    "clocksource",
    "eth0:",
    "Link",
    "is",
    "Up",
    "nvme0n1:",
    "p1",
    "systemd[1]:",
    "Starting",
    "IOMMU",
    "at",
    "(disabled)",
];

fn log_line(row: usize, random: &mut Random) -> String {
    let mut line = format!("[{:5}.{:06}] ", row / 4, random.below(1_000_000));
    for _ in 0..2 + random.below(6) {
        line += *random.of(&WORDS);
        line += if random.below(8) == 0 { ", " } else { " " };
    }
    line + &format!("0x{:08x}-{:04X}", random.below(1 << 30), random.below(1 << 16))
}

fn token_line(columns: usize, random: &mut Random) -> String {
    let all: Vec<char> = ('!'..='~').collect();
    let hexadecimal: Vec<char> = "0123456789abcdef".chars().collect();
    let mut line = String::new();
    while line.len() < columns {
        let alphabet = if random.below(2) == 0 { &all } else { &hexadecimal };
        line.extend((0..4 + random.below(12)).map(|_| *random.of(alphabet)));
        line.push(' ');
    }
    line
}

fn entry(random: &mut Random) -> String {
    let names = ["Boot Option #1", "SATA Mode Selection", "Intel VT-d", "Wake on LAN", "Debian GNU/Linux", "Fan Speed"];
    let values = ["[Enabled]", "[Disabled]", "[AHCI]", "[UEFI]", "<Auto>", "42 C", "6.1.0-18-amd64"];
    format!("{:<24} {}", random.of(&names), random.of(&values))
}
