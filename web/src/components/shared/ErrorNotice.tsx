import { messageOf } from "../../api/problem";

interface Props {
  title?: string;
  /** Whether it stands for the whole page. */
  isPage?: boolean;
  error: unknown;
  retry: () => void;
}

/** Says that something could not be loaded, with a button to retry. */
export function ErrorNotice(props: Props) {
  const { title = "This could not be loaded", isPage, error, retry } = props;
  const Heading = isPage ? "h1" : "h2";
  return (
    <section role="alert" className="notice">
      <Heading>{title}</Heading>
      <p>{messageOf(error)}</p>
      <button type="button" className="button" onClick={retry}>
        Try again
      </button>
    </section>
  );
}
