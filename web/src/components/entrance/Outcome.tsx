import { useEffect, useRef, type ReactNode } from "react";
import { Title } from "../shared/Title";

interface Props {
  title: string;
  children: ReactNode;
}

/** What came of a link, as the whole page; read out once it is known. */
export function Outcome({ title, children }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), [title]);
  return (
    <section className="notice">
      <Title>{title}</Title>
      <h1 ref={heading} tabIndex={-1}>
        {title}
      </h1>
      {children}
    </section>
  );
}
