import { createPrivateKey, X509Certificate } from "node:crypto";
import { connect as connectHttp2 } from "node:http2";
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { connect, type ConnectionOptions } from "node:tls";
import { generate } from "selfsigned";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Child, startPointsman } from "#test/support/child.ts";
import { issueServerCertificate } from "#test/support/kube/pki.ts";
import { callProcess } from "#test/support/process-call.ts";
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

/** A client that can do TLS 1.2 at most. */
const upTo12 = { maxVersion: "TLSv1.2" } as const;

async function servePorts(argv: readonly string[]): Promise<{ grpc: number; metrics: number }> {
  child = startPointsman([
    ...["serve", "--bind-address", "127.0.0.1", "--grpc-port", "0", "--grpc-health-port", "0"],
    ...["--metrics-port", "0", ...argv],
  ]);
  const line = await child.line(/"msg":"listening"/);
  // The line is the picker's own.
  return JSON.parse(line) as { grpc: number; metrics: number };
}

async function servePort(argv: readonly string[]): Promise<number> {
  return (await servePorts(argv)).grpc;
}

interface Greeting {
  readonly certificate: X509Certificate;
  readonly alpn: string | false | null;
  readonly version: string | null;
  readonly cipher: string;
}

/** What a TLS client is shown. */
function greeting(port: number, options: ConnectionOptions = {}): Promise<Greeting> {
  return new Promise((resolve, reject) => {
    const socket = connect(
      { port, host: "127.0.0.1", rejectUnauthorized: false, ALPNProtocols: ["h2"], ...options },
      () => {
        const certificate = new X509Certificate(socket.getPeerCertificate(true).raw);
        const { standardName: cipher } = socket.getCipher();
        const version = socket.getProtocol();
        resolve({ certificate, alpn: socket.alpnProtocol, version, cipher });
        socket.destroy();
      },
    );
    socket.on("error", reject);
  });
}

/** What an ext_proc server answers to a stream without a message. */
async function grpcStatus(url: string): Promise<unknown> {
  const session = connectHttp2(url, { rejectUnauthorized: false });
  // The call fails with it, and says why.
  session.on("error", () => undefined);
  try {
    return await callProcess(session);
  } finally {
    session.destroy();
  }
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
    await child?.line(/"msg":"certificate reload failed"/);
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

  it("takes cleartext on the same port too where it may", async () => {
    const both = await servePort(["--allow-cleartext"]);
    expect(await grpcStatus(`http://127.0.0.1:${both}`)).toBe("0");
    expect(await grpcStatus(`https://127.0.0.1:${both}`)).toBe("0");
  });

  it("refuses cleartext where it may not, and says how that is mended", async () => {
    const port = await servePort([]);
    await expect(grpcStatus(`http://127.0.0.1:${port}`)).rejects.toThrow(/cut off|closed|reset/);
    const line = await child?.line(/"msg":"cleartext connection refused"/);
    expect(line).toMatch(/"client":"127\.0\.0\.1".*--allow-cleartext or --secure-serving=false/);
  });

  it("holds to the lowest version, also with a certificate that came later", async () => {
    await writePair(folder, "one");
    const port = await servePort(["--tls-min-version=VersionTLS13", "--cert-path", folder]);
    const check = async (subject: string) => {
      await expect(greeting(port, upTo12)).rejects.toThrow(/alert protocol version|EPROTO|version/);
      expect(await greeting(port)).toMatchObject({ version: "TLSv1.3" });
      expect((await greeting(port)).certificate.subject).toBe(subject);
    };
    await check("CN=one");
    await writePair(folder, "two");
    await child?.line(/"msg":"certificate reloaded"/);
    await check("CN=two");
  });

  it("holds to the cipher suites, and leaves TLS 1.3 as it is", async () => {
    const suite = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256";
    const port = await servePort(["--tls-cipher-suites", suite]);
    expect(await greeting(port, upTo12)).toMatchObject({ version: "TLSv1.2", cipher: suite });
    expect(await greeting(port)).toMatchObject({ version: "TLSv1.3" });
  });
});

/** Runs `pointsman status`. */
async function status(url: string, ...argv: readonly string[]) {
  const asked = startPointsman(["status", "--url", url, ...argv]);
  try {
    return { code: await asked.ended, output: asked.output() };
  } finally {
    await asked.close();
  }
}

describe("the metrics port with TLS", () => {
  it("serves pages to clients with a certificate of its authority, and to no others", async () => {
    const { caFile, certFile, keyFile } = await issueServerCertificate(folder, ["127.0.0.1"]);
    const mount = path.join(folder, "mount");
    await mkdir(mount);
    await symlink(certFile, path.join(mount, "tls.crt"));
    await symlink(keyFile, path.join(mount, "tls.key"));
    const line = ["--metrics-cert-dir", mount, "--metrics-client-ca-file", caFile];
    const url = `https://127.0.0.1:${(await servePorts(line)).metrics}`;

    const trusting = ["--ca-file", caFile];
    const known = await status(url, ...trusting, "--cert-file", certFile, "--key-file", keyFile);
    // Without a pool it is not ready, which is 2.
    expect(known).toEqual({ code: 2, output: expect.stringContaining("not ready") as unknown });
    const stranger = await status(url, ...trusting);
    expect(stranger.code).toBe(1);
    expect(stranger.output).toMatch(/\/debug\/pool: .*(certificate required|alert|closed|reset)/i);
    const wary = await status(url, "--cert-file", certFile, "--key-file", keyFile);
    expect(wary.output).toMatch(/unable to verify|self-signed/);
  });

  it("serves HTTPS to everybody without an authority of clients, and the other ports go on", async () => {
    await writePair(folder, "metrics");
    const ports = await servePorts(["--metrics-cert-dir", folder]);
    expect(
      (await greeting(ports.metrics, { ALPNProtocols: ["http/1.1"] })).certificate.subject,
    ).toBe("CN=metrics");
    expect((await greeting(ports.grpc)).certificate.subject).toBe("CN=pointsman");
    await writePair(folder, "later");
    await eventually("the new certificate is served", async () =>
      (await greeting(ports.metrics, { ALPNProtocols: ["http/1.1"] })).certificate.subject ===
      "CN=later"
        ? true
        : undefined,
    );
  });

  it("refuses to start with an authority that is none", async () => {
    await writePair(folder, "metrics");
    const caFile = path.join(folder, "ca.crt");
    await writeFile(caFile, "half a certi");
    child = startPointsman([
      ...["serve", "--bind-address", "127.0.0.1", "--metrics-cert-dir", folder],
      ...["--metrics-client-ca-file", caFile],
    ]);
    expect(await child.ended).toBe(1);
    expect(child.output()).toContain(`${caFile}: no certificate in PEM`);
  });
});
