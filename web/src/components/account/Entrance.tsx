import type { ReactNode } from "react";
import { Stamp } from "../shared/Stamp";

interface Props {
  title: string;
  /** Leads to the other way in. */
  other: ReactNode;
  children: ReactNode;
}

/** The frame of the login and the sign-up page: the form, and what an account is good for. */
export function Entrance({ title, other, children }: Props) {
  return (
    <div className="entrance">
      <section className="entrance-form" aria-labelledby="entrance">
        <h1 id="entrance">{title}</h1>
        <p>{other}</p>
        {children}
      </section>
      <aside className="reasons" aria-labelledby="reasons">
        <Stamp />
        <h2 id="reasons">With an account</h2>
        <ul role="list">
          <li>
            <strong>Read everything</strong>
            Articles are not counted for those who are logged in.
          </li>
          <li>
            <strong>Have a say</strong>
            Vote, comment, and publish posts of your own.
          </li>
          <li>
            <strong>Know where you are logged in</strong>
            Every device is listed, and you can log any of them out.
          </li>
        </ul>
      </aside>
    </div>
  );
}
