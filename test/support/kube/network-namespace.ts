import { spawnSync } from "node:child_process";
import { atExit } from "../at-exit.ts";
import { sweepAfterDeath } from "./namespace-sweeper.ts";

export interface NetworkNamespace {
  readonly name: string;
  /** Where the test reaches what runs inside, and where that runs for itself. */
  readonly address: string;
  /** Where what runs inside reaches the test. */
  readonly testAddress: string;
  /** The command line that runs another one inside. */
  command(line: readonly string[]): readonly string[];
  close(): void;
}

/** A network namespace by its name, as yet without a link. */
export type BareNamespace = Pick<NetworkNamespace, "name" | "command" | "close">;

let made = 0;
const open = new Set<BareNamespace>();

// A test that dies must not leave its namespaces behind.
atExit(() => {
  for (const namespace of open) namespace.close();
});

/**
 * A network of the test's own: `addresses` (`10.1.0.1/32`) on its loopback interface, for tests
 * that need addresses which the API server takes as those of endpoints, and a link to the test.
 */
export function createNetworkNamespace(addresses: readonly string[] = []): NetworkNamespace {
  made += 1;
  const name = `pointsman-${process.pid}-${made}`;
  const [testAddress, address] = linkAddresses();
  const inside = (argv: readonly string[]) => ip(["-n", name, ...argv]);

  const bare = openNamespace(name);
  const sweeper = sweepAfterDeath(name);
  const namespace: NetworkNamespace = {
    ...bare,
    address,
    testAddress,
    close() {
      bare.close();
      sweeper.close();
    },
  };
  try {
    const link = `pm${process.pid}-${made}`;
    ip(["link", "add", link, "type", "veth", "peer", "name", "test", "netns", name]);
    ip(["address", "add", `${testAddress}/30`, "dev", link]);
    ip(["link", "set", link, "up"]);
    inside(["address", "add", `${address}/30`, "dev", "test"]);
    inside(["link", "set", "test", "up"]);
    inside(["link", "set", "lo", "up"]);
    for (const each of addresses) inside(["address", "add", each, "dev", "lo"]);
    return namespace;
  } catch (cause) {
    namespace.close();
    throw cause;
  }
}

/** A namespace with a loopback interface that is down, which ends with this process at the latest. */
export function openNamespace(name: string): BareNamespace {
  ip(["netns", "add", name]);
  const namespace: BareNamespace = {
    name,
    command: (line) => ["ip", "netns", "exec", name, ...line],
    close() {
      if (!open.delete(namespace)) return;
      endAllIn(name);
      ip(["netns", "delete", name]);
    },
  };
  open.add(namespace);
  return namespace;
}

/** Ends what a program inside has started and not ended itself, as one that was killed. */
function endAllIn(name: string): void {
  const { stdout } = spawnSync("ip", ["netns", "pids", name], { encoding: "utf8" });
  for (const pid of stdout.split("\n").filter((line) => line !== "")) {
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // It has just ended by itself.
    }
  }
}

/** Lets what runs inside of two namespaces reach each other, at the `address` of each. */
export function linkNamespaces(left: NetworkNamespace, right: NetworkNamespace): void {
  made += 1;
  const link = `pm${process.pid}-${made}`;
  ip(["-n", left.name, "link", "add", link, "type", "veth", "peer", link, "netns", right.name]);
  const [leftAddress, rightAddress] = linkAddresses();
  const ends = [
    { name: left.name, own: leftAddress, far: right.address, via: rightAddress },
    { name: right.name, own: rightAddress, far: left.address, via: leftAddress },
  ];
  for (const { name, own } of ends) {
    ip(["-n", name, "address", "add", `${own}/30`, "dev", link]);
    ip(["-n", name, "link", "set", link, "up"]);
  }
  for (const { name, far, via } of ends) ip(["-n", name, "route", "add", `${far}/32`, "via", via]);
}

/** The two addresses of a network of four in the range for benchmarks, which nobody routes. */
function linkAddresses(): readonly [string, string] {
  const block = Math.floor(Math.random() * 2 ** 15) * 4;
  const at = (offset: number) =>
    `198.${18 + (block >> 16)}.${(block >> 8) & 255}.${(block & 255) + offset}`;
  return [at(1), at(2)];
}

/** Runs `ip`; `batch` is what `-batch -` reads, one command a line. */
export function ip(argv: readonly string[], batch: readonly string[] = []): void {
  const { status, stderr, error } = spawnSync("ip", argv, {
    encoding: "utf8",
    input: batch.join("\n"),
  });
  if (status === 0) return;
  throw new Error(
    error === undefined
      ? `ip ${argv.join(" ")}: ${stderr.trim()}; a network namespace needs root, ` +
          "or CAP_SYS_ADMIN and CAP_NET_ADMIN"
      : `a network namespace needs the program ip (Debian package iproute2): ${error.message}`,
  );
}
