import type { User } from "@handstamp/client";
import { useSession, useSessions } from "@handstamp/client/react";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link, Navigate } from "react-router";
import { isProblem } from "../api/problem";
import { DeleteAccount } from "../components/account/DeleteAccount";
import { EmailSettings } from "../components/account/EmailSettings";
import { PasswordForm } from "../components/account/PasswordForm";
import { ReauthenticationDialog } from "../components/account/ReauthenticationDialog";
import { DeviceList } from "../components/devices/DeviceList";
import { Codes } from "../components/factors/Codes";
import { PasskeyList } from "../components/factors/PasskeyList";
import { OwnPosts } from "../components/posts/OwnPosts";
import { Title } from "../components/shared/Title";
import { passkeysQuery, totpQuery } from "../lib/factors";
import { loginPath } from "../lib/next";
import { postsQuery } from "../lib/queries";
import { dayOf } from "../lib/time";

export function DashboardPage() {
  const { user, reason } = useSession();
  // Nobody logs in to an account that is gone.
  if (!user) return <Navigate to={reason === "deleted" ? "/" : loginPath("/dashboard")} replace />;
  return (
    <>
      <Title>Dashboard</Title>
      <div className="dashboard-head">
        <div>
          <h1>{user.username}’s dashboard</h1>
          <p className="meta">
            {user.email !== null && <span>{user.email}</span>}
            <span>With us since {dayOf(user.created_at)}</span>
          </p>
        </div>
        <nav aria-label="Sections" className="sections">
          <Link to="#posts" className="link">
            Posts
          </Link>
          <Link to="#devices" className="link">
            Devices
          </Link>
          <Link to="#security" className="link">
            Security
          </Link>
          <Link to="#account" className="link">
            Account
          </Link>
        </nav>
      </div>
      <Sections user={user} />
      <ReauthenticationDialog username={user.username} />
    </>
  );
}

/** Shown at once when all are loaded, so that none of them moves. */
function Sections({ user }: { user: User }) {
  const posts = useInfiniteQuery(postsQuery("me"));
  const { sessions, error } = useSessions();
  const [passkeys, totp] = [useQuery(passkeysQuery), useQuery(totpQuery)];
  // Not `isPending`, which one that has failed is again when its section asks again.
  const isLoaded = posts.isFetched && passkeys.isFetched && totp.isFetched;
  if (!isLoaded || !(sessions || error)) return <div aria-busy="true" className="loading" />;
  return (
    <>
      <Panel id="posts" title="Your posts" text="What you have published, newest first. Everybody can read it.">
        <OwnPosts />
      </Panel>
      <Panel
        id="devices"
        title="Devices"
        text="Where you are logged in. If you do not know one of them, log it out and change your password."
      >
        <DeviceList />
      </Panel>
      <Panel
        id="security"
        title="Security"
        text="How you get in, and where we write to when that changes. A new password logs you out everywhere but here."
      >
        <Part id="email" title="E-mail address">
          <EmailSettings user={user} />
        </Part>
        <Part id="password" title="Password">
          <PasswordForm username={user.username} />
        </Part>
        {/* The site may have none. */}
        {!isProblem(passkeys.error, "not_found") && (
          <Part id="passkeys" title="Passkeys">
            <PasskeyList />
          </Part>
        )}
        <Part id="codes" title="Authenticator app">
          <Codes username={user.username} titleId="codes" />
        </Part>
      </Panel>
      <Panel id="account" title="Delete account" text="If you want to leave. This is what happens:">
        <DeleteAccount username={user.username} />
      </Panel>
    </>
  );
}

interface PanelProps {
  id: string;
  title: string;
  text: string;
  children: ReactNode;
}

function Panel({ id, title, text, children }: PanelProps) {
  return (
    <section className="panel" aria-labelledby={id}>
      <div className="panel-head">
        <h2 id={id}>{title}</h2>
        <p>{text}</p>
      </div>
      <div>{children}</div>
    </section>
  );
}

/** One of several things in a panel. */
function Part({ id, title, children }: Omit<PanelProps, "text">) {
  return (
    <section className="part" aria-labelledby={id}>
      {/* Gets the focus when what had it is gone. */}
      <h3 id={id} tabIndex={-1}>
        {title}
      </h3>
      {children}
    </section>
  );
}
