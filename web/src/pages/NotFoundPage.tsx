import { Link } from "react-router";
import { Title } from "../components/shared/Title";

export function NotFoundPage() {
  return (
    <section className="notice">
      <Title>Not found</Title>
      <h1>There is nothing here</h1>
      <p>The page was moved, deleted, or never written.</p>
      <Link to="/" className="button">
        To the front page
      </Link>
    </section>
  );
}
