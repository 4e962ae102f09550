import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { atExit } from "../at-exit.ts";
import type { NetworkNamespace } from "../kube/network-namespace.ts";

/**
 * Becomes the command in a root that is the machine's with the pod's folders in the place of those of
 * the same name, but for /etc, which has both, and with the pod's hosts file. The mounts are those
 * of a namespace of its own, so nothing but this command sees them.
 */
const script = `pod=$1; root=$1/root; shift
lay() { if [ -d "$1" ]; then mkdir "$root$1" && mount --rbind "$1" "$root$1"; fi; }
mount -t tmpfs tmpfs "$root" && cp -r "$pod"/files/. "$root" || exit 1
for entry in /*; do
  if [ -e "$root$entry" ]; then continue
  elif [ -L "$entry" ]; then cp -P "$entry" "$root$entry"
  else lay "$entry"
  fi
done
for entry in /etc/*; do
  if [ -e "$root$entry" ]; then continue
  elif [ -L "$entry" ] || [ -f "$entry" ]; then cp -P "$entry" "$root$entry"
  else lay "$entry"
  fi
done
mount --bind "$pod/hosts" "$root/etc/hosts" && exec chroot "$root" "$@" >"$pod/stdout"`;

/** Addresses by name. */
export type Hosts = Readonly<Record<string, string>>;

export interface PodFilesOptions {
  readonly network: NetworkNamespace;
  /** Addresses by the names of the cluster that lead to them. */
  readonly hosts: Hosts;
  /** Contents by path, `/certs/tls.crt`. */
  readonly files: Readonly<Record<string, string>>;
  /** Folders that are there and empty. */
  readonly folders?: readonly string[];
}

/** Files where a kubelet would mount them, for commands in a network namespace. */
export interface PodFiles {
  /** The command line that runs another one with the files in its root. */
  command(line: readonly string[]): readonly string[];
  /**
   * What the last command printed there. It is a file, for what a test reads of a child is a socket,
   * and no process can open its own /dev/stdout then.
   */
  stdout(): string;
  remove(): void;
}

export function layPodFiles(options: PodFilesOptions): PodFiles {
  const { network, hosts, files, folders = [] } = options;
  const pod = mkdtempSync(path.join(tmpdir(), "pointsman-pod-"));
  const root = path.join(pod, "root");
  const remove = () => {
    // Not recursively: were anything ever mounted there, it would be the machine's.
    if (existsSync(root)) rmdirSync(root);
    rmSync(pod, { recursive: true, force: true });
  };
  atExit(remove);
  mkdirSync(root);
  // Programs keep things below /var, which are the pod's own.
  for (const folder of ["etc", "var", ...folders]) {
    mkdirSync(path.join(pod, "files", folder), { recursive: true });
  }
  for (const [file, content] of Object.entries(files)) {
    const target = path.join(pod, "files", file);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, content, { mode: 0o600 });
  }
  const lines = Object.entries({ localhost: "127.0.0.1", ...hosts }).map(
    // With a point at its end a name is the same, and programs ask for both.
    ([name, address]) => `${address} ${name} ${name}.`,
  );
  writeFileSync(path.join(pod, "hosts"), `${lines.join("\n")}\n`);
  return {
    stdout: () => readFileSync(path.join(pod, "stdout"), "utf8"),
    command: (line) =>
      network.command([
        ...["unshare", "--mount", "--propagation", "private"],
        ...["sh", "-c", script, "sh", pod, ...line],
      ]),
    remove,
  };
}
