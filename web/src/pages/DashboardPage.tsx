import { useSession, useSessions } from "@handstamp/client/react";
import { useInfiniteQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link, Navigate } from "react-router";
import { DeviceList } from "../components/account/DeviceList";
import { PasswordForm } from "../components/account/PasswordForm";
import { ReauthenticationDialog } from "../components/account/ReauthenticationDialog";
import { OwnPosts } from "../components/posts/OwnPosts";
import { Title } from "../components/shared/Title";
import { loginPath } from "../lib/next";
import { postsQuery } from "../lib/queries";
import { dayOf } from "../lib/time";

export function DashboardPage() {
  const { user } = useSession();
  if (!user) return <Navigate to={loginPath("/dashboard")} replace />;
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
        </nav>
      </div>
      <Sections username={user.username} />
      <ReauthenticationDialog username={user.username} />
    </>
  );
}

/** Shown at once when all are loaded, so that none of them moves. */
function Sections({ username }: { username: string }) {
  const posts = useInfiniteQuery(postsQuery("me"));
  const { sessions, error } = useSessions();
  if (posts.isPending || !(sessions || error)) return <div aria-busy="true" className="loading" />;
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
        text="A new password logs you out everywhere but here."
      >
        <PasswordForm username={username} />
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
