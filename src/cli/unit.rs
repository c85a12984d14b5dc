//! A systemd unit for this program, as strict as it can bear; `ikvm-mcp unit` prints it.
//!
//! Source: systemd.exec(5), systemd.unit(5). What it needs: outgoing connections to the provider and the BMCs, a socket
//! of its own (AF_UNIX, made in the private /tmp), /proc/self/fd to find it. It writes nowhere but to its log.

/// Where the sandbox sees nothing of what others put there.
const HIDDEN: [&str; 5] = ["/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/"];

/// The unit; `program` is the path of the binary.
pub fn unit(program: &str) -> String {
    if HIDDEN.iter().any(|folder| program.starts_with(folder)) {
        let installed = "/usr/local/bin/ikvm-mcp";
        let install = format!("#   install -m 755 '{}' {installed}\n#   mkdir", program.replace('\'', "'\\''"));
        return unit(installed).replacen("#   mkdir", &install, 1);
    }
    let escaped = program.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
    let is_plain = escaped == program && !program.contains(char::is_whitespace);
    UNIT.replace("{program}", &if is_plain { escaped } else { format!("\"{escaped}\"") })
}

const UNIT: &str = "\
# /etc/systemd/system/ikvm-mcp.service
#   mkdir -p -m 700 /etc/ikvm-mcp && (umask 077; ikvm-mcp token > /etc/ikvm-mcp/token)
#   put OVHcloud's credentials into /etc/ikvm-mcp/ovh.conf (see `ikvm-mcp login`), or take its line away below, then
#   systemctl daemon-reload && systemctl enable --now ikvm-mcp && journalctl -u ikvm-mcp
[Unit]
Description=Consoles of bare-metal servers for AI agents (MCP)
Documentation=https://github.com/xd-ventures/ikvm-mcp
Wants=network-online.target
After=network-online.target

[Service]
ExecStart={program}
Restart=on-failure
TimeoutStopSec=10

# Root alone reads these files; the program finds copies in its working directory.
LoadCredential=token:/etc/ikvm-mcp/token
LoadCredential=ovh.conf:/etc/ikvm-mcp/ovh.conf
WorkingDirectory=%d
#LoadCredential=hosts.toml:/etc/ikvm-mcp/hosts.toml
#Environment=IKVM_HOSTS=%d/hosts.toml
# For password_file = \"rack7\" in hosts.toml; the other files that it names likewise.
#LoadCredential=rack7:/etc/ikvm-mcp/rack7
Environment=IKVM_TOKEN_FILE=%d/token
Environment=PORT=3001
#Environment=IKVM_LISTEN=10.0.0.5
#Environment=HTTPS_PROXY=http://proxy.example:3128

LogsDirectory=ikvm-mcp
LogsDirectoryMode=0700
Environment=IKVM_AUDIT=/var/log/ikvm-mcp/audit.jsonl

DynamicUser=yes
UMask=0077
CapabilityBoundingSet=
AmbientCapabilities=
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
ProtectProc=invisible
ProcSubset=pid
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
PrivateTmp=yes
PrivateDevices=yes
PrivateUsers=yes
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
LimitNOFILE=4096
TasksMax=2048
MemoryMax=1G

[Install]
WantedBy=multi-user.target
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_of_the_binary_is_one_word_for_systemd() {
        let start = |program| unit(program).lines().find_map(|line| line.strip_prefix("ExecStart=").map(str::to_owned));
        assert_eq!(start("/usr/bin/ikvm-mcp").as_deref(), Some("/usr/bin/ikvm-mcp"));
        assert_eq!(start("/opt/my tools/100%/x").as_deref(), Some("\"/opt/my tools/100%%/x\""));
    }

    #[test]
    fn a_binary_that_the_sandbox_hides_is_installed_first() {
        let unit = unit("/home/ann's/ikvm-mcp");
        let install = "\n#   install -m 755 '/home/ann'\\''s/ikvm-mcp' /usr/local/bin/ikvm-mcp\n#   mkdir -p ";
        assert!(unit.contains(install) && unit.contains("\nExecStart=/usr/local/bin/ikvm-mcp\n"), "{unit}");
    }
}
