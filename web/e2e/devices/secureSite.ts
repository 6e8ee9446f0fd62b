/** The page over https, for a browser that binds sessions to its device. */
import { spawnSync } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer, type Server as HttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { launchBrowser, Server, webFolder } from "../site";

/** Chromium would sign six times in nine minutes, fewer than short lifetimes take; there is no TPM here. */
const FEATURES = [
  "DeviceBoundSessions:RefreshQuota/false",
  "EnableBoundSessionCredentialsSoftwareKeysForManualTesting",
];

/** A server in production, a proxy that speaks https, and a browser that trusts its certificate. */
export class SecureSite {
  /** Whether the proxy refuses to renew proofs, as a busy server does. */
  isRefusing = false;
  refusals = 0;

  private constructor(
    readonly base: string,
    readonly browser: Browser,
    readonly server: Server,
    private readonly proxy: HttpsServer,
  ) {}

  /** With proofs that last for `lifetime`. */
  static async start(lifetime: string): Promise<SecureSite> {
    const server = await Server.startBare({
      APP_ENV: "production",
      DEVICE_PROOF_LIFETIME: lifetime,
      NEWS: "on",
      SECRET_KEY: "a-key-for-tests-9dKx2mVq7PzR4wYb8LhT",
      TRUSTED_PROXIES: "127.0.0.1",
      WEB_DIR: join(webFolder, "dist"),
    });
    const { key, cert } = makeCertificate();
    const proxy = createServer({ key, cert }, (incoming, outgoing) => { site.forward(incoming, outgoing); });
    await new Promise<void>((done) => proxy.listen(0, "127.0.0.1", done));
    const browser = await launchBrowser(
      `--enable-features=${FEATURES.join(",")}`,
      `--ignore-certificate-errors-spki-list=${fingerprint(cert)}`,
    );
    const { port } = proxy.address() as AddressInfo;
    const site = new SecureSite(`https://localhost:${port}`, browser, server, proxy);
    return site;
  }

  private forward(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { method, url, headers } = incoming;
    if (this.isRefusing && url === "/device/refresh") {
      this.refusals += 1;
      outgoing.writeHead(503).end();
      return;
    }
    const forwarded = { "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "https" };
    const options = { method, headers: { ...headers, ...forwarded } };
    const asked = request(this.server.base + (url ?? "/"), options, (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(outgoing);
    });
    asked.on("error", () => outgoing.destroy());
    outgoing.on("close", () => asked.destroy());
    incoming.pipe(asked);
  }

  async remove(): Promise<void> {
    await this.browser.close();
    this.proxy.closeAllConnections();
    this.proxy.close();
    this.server.remove();
  }
}

function makeCertificate(): { key: Buffer; cert: Buffer } {
  const folder = mkdtempSync(join(tmpdir(), "handstamp-e2e-"));
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  const { status, stderr } = spawnSync("openssl", [...kind, ...name, "-keyout", key, "-out", cert]);
  if (status !== 0) throw new Error(stderr.toString());
  const made = { key: readFileSync(key), cert: readFileSync(cert) };
  rmSync(folder, { recursive: true });
  return made;
}

/** The SHA-256 of the public key of a certificate. */
function fingerprint(cert: Buffer): string {
  const key = new X509Certificate(cert).publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(key).digest("base64");
}
