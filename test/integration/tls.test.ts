import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { connect } from "node:tls";
import { generate } from "selfsigned";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Child, startPointsman } from "#test/support/child.ts";
import { eventually } from "#test/support/wait.ts";

let child: Child | undefined;
let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "pointsman-tls-"));
});
afterEach(async () => {
  await child?.close();
  await rm(folder, { recursive: true, force: true });
});

async function servePort(argv: readonly string[]): Promise<number> {
  child = startPointsman([
    ...["serve", "--bind-address", "127.0.0.1", "--grpc-port", "0", "--grpc-health-port", "0"],
    ...["--metrics-port", "0", ...argv],
  ]);
  const line = await child.line(/"msg":"listening"/);
  return (JSON.parse(line) as { grpc: number }).grpc;
}

/** What a TLS client is shown. */
function greeting(
  port: number,
): Promise<{ certificate: X509Certificate; alpn: string | false | null }> {
  return new Promise((resolve, reject) => {
    const socket = connect(
      { port, host: "127.0.0.1", rejectUnauthorized: false, ALPNProtocols: ["h2"] },
      () => {
        const certificate = new X509Certificate(socket.getPeerCertificate(true).raw);
        resolve({ certificate, alpn: socket.alpnProtocol });
        socket.destroy();
      },
    );
    socket.on("error", reject);
  });
}

async function writePair(where: string, name: string): Promise<void> {
  await mkdir(where, { recursive: true });
  const pair = await generate([{ name: "commonName", value: name }], { keyType: "ec" });
  await writeFile(path.join(where, "tls.crt"), pair.cert);
  await writeFile(path.join(where, "tls.key"), pair.private);
}

describe("serve with TLS", () => {
  it("makes an elliptic-curve certificate of its own and speaks h2", async () => {
    const { certificate, alpn } = await greeting(await servePort([]));
    expect(alpn).toBe("h2");
    expect(certificate.subject).toBe("CN=pointsman");
    expect(certificate.publicKey.asymmetricKeyType).toBe("ec");
    expect(new Date(certificate.validTo).getFullYear()).toBeGreaterThan(
      new Date().getFullYear() + 8,
    );
  });

  it("serves a new certificate after a kubelet's symlink swap, and keeps it through a broken one", async () => {
    // As a mounted Secret: tls.crt -> ..data/tls.crt, ..data -> the newest folder.
    const mount = path.join(folder, "mount");
    await writePair(path.join(mount, "..v1"), "one");
    await symlink("..v1", path.join(mount, "..data"));
    for (const file of ["tls.crt", "tls.key"]) {
      await symlink(path.join("..data", file), path.join(mount, file));
    }
    const swap = async (version: string) => {
      await symlink(version, path.join(mount, "..new"));
      await rename(path.join(mount, "..new"), path.join(mount, "..data"));
    };
    const port = await servePort(["--cert-path", mount, "--enable-cert-reload=true"]);
    expect((await greeting(port)).certificate.subject).toBe("CN=one");

    await writePair(path.join(mount, "..v2"), "two");
    await swap("..v2");
    await eventually("the new certificate is served", async () =>
      (await greeting(port)).certificate.subject === "CN=two" ? true : undefined,
    );

    await mkdir(path.join(mount, "..v3"));
    await writeFile(path.join(mount, "..v3", "tls.crt"), "half a certi");
    await writeFile(path.join(mount, "..v3", "tls.key"), "");
    await swap("..v3");
    await child?.line(/keeping the old certificate/);
    expect((await greeting(port)).certificate.subject).toBe("CN=two");
  });

  it("refuses to start with a key of another certificate", async () => {
    await writePair(folder, "one");
    const other = await generate([{ name: "commonName", value: "other" }], { keyType: "ec" });
    expect(createPrivateKey(other.private).type).toBe("private");
    await writeFile(path.join(folder, "tls.key"), other.private);
    child = startPointsman(["serve", "--bind-address", "127.0.0.1", "--cert-path", folder]);
    expect(await child.ended).toBe(1);
    expect(child.output()).toMatch(/tls\.key is not the key of tls\.crt/);
  });
});
