/** Chromium's virtual authenticators: passkeys without a finger, made and used by real WebAuthn calls. */
import { createHmac } from "node:crypto";
import type { CDPSession, Page } from "playwright-core";

interface Kept {
  credentialId: string;
  userHandle?: string;
  userName?: string;
}

/** A part of the device, or a key that is plugged in. */
type Transport = "internal" | "usb";

/** One of a page, which keeps passkeys until the page is closed. */
export class Authenticator {
  private constructor(
    private readonly session: CDPSession,
    private readonly id: string,
  ) {}

  static async add(page: Page, transport: Transport = "internal"): Promise<Authenticator> {
    const session = await page.context().newCDPSession(page);
    await session.send("WebAuthn.enable", { enableUI: false });
    return Authenticator.plugIn(session, transport);
  }

  /** Another one of the same page. */
  beside(transport: Transport): Promise<Authenticator> {
    return Authenticator.plugIn(this.session, transport);
  }

  private static async plugIn(session: CDPSession, transport: Transport): Promise<Authenticator> {
    const { authenticatorId } = await session.send("WebAuthn.addVirtualAuthenticator", {
      options: {
        protocol: "ctap2",
        transport,
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    });
    return new Authenticator(session, authenticatorId);
  }

  /** Whether somebody touches it. */
  async setPresent(enabled: boolean): Promise<void> {
    await this.session.send("WebAuthn.setAutomaticPresenceSimulation", {
      authenticatorId: this.id,
      enabled,
    });
  }

  async setVerified(isUserVerified: boolean): Promise<void> {
    await this.session.send("WebAuthn.setUserVerified", { authenticatorId: this.id, isUserVerified });
  }

  /** What it keeps. */
  async kept(): Promise<Kept[]> {
    const { credentials } = await this.session.send("WebAuthn.getCredentials", {
      authenticatorId: this.id,
    });
    return credentials;
  }
}

/** The code that an authenticator app shows for a secret (RFC 6238), so many steps from now. */
export function codeOf(secret: string, steps = 0): string {
  const bits = Array.from(secret)
    .map((letter) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0"))
    .join("");
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const digest = createHmac("sha1", key).update(counter).digest();
  const offset = (digest.at(-1) ?? 0) & 15;
  return String((digest.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

/** The secret for an authenticator app that the page shows. */
export async function shownSecret(page: Page): Promise<string> {
  const shown = (await page.locator(".secret").textContent()) ?? "";
  return shown.replace("Key: ", "").replaceAll(" ", "");
}
