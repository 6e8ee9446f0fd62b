import { Navigate } from "react-router";
import { OwnPosts } from "../components/posts/OwnPosts";
import { PasswordForm } from "../components/account/PasswordForm";
import { SessionList } from "../components/account/SessionList";
import { Title } from "../components/shared/Title";
import { loginPath } from "../lib/next";
import { useSession } from "../session/session";

export function DashboardPage() {
  const user = useSession().data;
  if (!user) return <Navigate to={loginPath("/dashboard")} replace />;
  return (
    <>
      <Title>Dashboard</Title>
      <h1 className="mb-8 text-3xl font-semibold tracking-tight wrap-anywhere">
        {user.username}’s dashboard
      </h1>
      <section aria-labelledby="posts">
        <h2 id="posts" className="mb-4 text-xl font-semibold">
          Your posts
        </h2>
        <OwnPosts />
      </section>
      <section aria-labelledby="sessions" className="mt-12 border-t border-line pt-6">
        <h2 id="sessions" className="mb-4 text-xl font-semibold">
          Where you are logged in
        </h2>
        <SessionList />
      </section>
      <section aria-labelledby="password" className="mt-12 border-t border-line pt-6">
        <h2 id="password" className="mb-4 text-xl font-semibold">
          Change your password
        </h2>
        <PasswordForm username={user.username} />
      </section>
    </>
  );
}
