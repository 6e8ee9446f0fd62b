import { useEffect, useRef, type ReactNode } from "react";
import { Stamp } from "../shared/Stamp";
import { Title } from "../shared/Title";
import { ACCOUNT, type Aside } from "./asides";

interface Props {
  title: string;
  /** What to know or where else to go, above the form. */
  lead: ReactNode;
  aside?: Aside;
  /** Whether it has taken the place of a form that was sent: then it is read out. */
  isOutcome?: boolean;
  children?: ReactNode;
}

/** The frame of the pages for those who want to get in: a form or what came of it, and an aside. */
export function Entrance({ title, lead, aside = ACCOUNT, isOutcome, children }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (isOutcome) heading.current?.focus();
  }, [isOutcome, title]);
  return (
    <div className="entrance">
      <Title>{title}</Title>
      <section className="entrance-form" aria-labelledby="entrance">
        <h1 id="entrance" ref={heading} tabIndex={-1}>
          {title}
        </h1>
        <div className="entrance-lead">{lead}</div>
        {children}
      </section>
      <aside className="reasons" aria-labelledby="reasons">
        <Stamp />
        <h2 id="reasons">{aside.title}</h2>
        <ul role="list">
          {aside.points.map(({ what, text }) => (
            <li key={what}>
              <strong>{what}</strong>
              {text}
            </li>
          ))}
        </ul>
      </aside>
    </div>
  );
}
