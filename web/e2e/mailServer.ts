/** A real mail server (aiosmtpd), which keeps what it gets. */
import { spawn, type ChildProcess } from "node:child_process";
import { resolve } from "node:path";
import { createInterface } from "node:readline";

const script = resolve(import.meta.dirname, "../../tests/http/helpers/mail/smtp_server.py");

export interface Mail {
  to: string[];
  subject: string;
  text: string;
}

export class MailServer {
  private constructor(
    private readonly process: ChildProcess,
    private readonly port: number,
    private readonly mails: Mail[],
  ) {}

  static async start(): Promise<MailServer> {
    // Debian's own Python has Debian's aiosmtpd.
    const child = spawn("/usr/bin/python3", [script], { stdio: ["ignore", "pipe", "inherit"] });
    const mails: Mail[] = [];
    const lines = createInterface(child.stdout);
    const port = await new Promise<number>((done, fail) => {
      child.once("exit", () => { fail(new Error("the mail server did not start")); });
      lines.once("line", (line) => {
        lines.on("line", (mail) => mails.push(JSON.parse(mail) as Mail));
        done(Number(line));
      });
    });
    return new MailServer(child, port, mails);
  }

  /** For a server that sends its mail here, with links that begin with `publicUrl`. */
  settings(publicUrl: string): Record<string, string> {
    return {
      SMTP_URL: `smtp://127.0.0.1:${this.port}`,
      MAIL_FROM: "Just Tech News <news@app.example>",
      PUBLIC_URL: publicUrl,
      // Tests ask from one address.
      MAILS_PER_ADDRESS: "unlimited",
    };
  }

  /** Waits for the `number`th mail to this address whose subject has these words. */
  async mail(to: string, words: string, number = 1): Promise<Mail> {
    const before = Date.now();
    for (;;) {
      const found = this.mails.filter((mail) => mail.to.includes(to) && mail.subject.includes(words));
      const mail = found[number - 1];
      if (mail) return mail;
      if (Date.now() - before > 30_000) throw new Error(`no mail about ${words} to ${to}`);
      await new Promise((done) => setTimeout(done, 20));
    }
  }

  /** Its link. */
  async link(to: string, words: string, number = 1): Promise<string> {
    const { text } = await this.mail(to, words, number);
    const link = /\S+#token=\S+/.exec(text)?.[0];
    if (link === undefined) throw new Error(`no link in ${text}`);
    return link;
  }

  remove(): void {
    this.process.kill();
  }
}
