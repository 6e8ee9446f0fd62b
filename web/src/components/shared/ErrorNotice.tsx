import { messageOf } from "../../api/problem";

interface Props {
  title?: string;
  error: unknown;
  retry: () => void;
}

/** Says that something could not be loaded, with a button to retry. */
export function ErrorNotice({ title = "This could not be loaded", error, retry }: Props) {
  return (
    <section role="alert" className="mx-auto max-w-md py-12 text-center">
      <h1 className="mb-3 text-2xl font-semibold">{title}</h1>
      <p className="mb-6 text-soft">{messageOf(error)}</p>
      <button type="button" className="button" onClick={retry}>
        Try again
      </button>
    </section>
  );
}
