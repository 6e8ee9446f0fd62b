import { Link } from "react-router";
import { loginPath, signUpPath } from "../../lib/next";
import { count } from "../../lib/text";

/** How many more articles a visitor may open. */
export function FreeReads({ left, path }: { left: number; path: string }) {
  return (
    <p className="free-reads">
      <span>
        {left === 0 ? "This is your last free article." : `${count(left, "free article")} left.`}
      </span>
      <span>
        <Link to={signUpPath(path)} className="link">
          Sign up
        </Link>{" "}
        or{" "}
        <Link to={loginPath(path)} className="link">
          log in
        </Link>{" "}
        to read on
      </span>
    </p>
  );
}
