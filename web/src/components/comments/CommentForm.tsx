import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "../../api/client";
import { postQuery } from "../../lib/queries";
import { Form } from "../forms/Form";
import { FormError } from "../forms/FormError";
import { errorsOf } from "../forms/errorsOf";
import { TextField } from "../forms/TextField";
import { useForm } from "../forms/useForm";

/** Adds a comment, for users who are logged in. */
export function CommentForm({ postId }: { postId: string }) {
  const client = useQueryClient();
  const form = useForm<"text">();
  const add = useMutation({
    mutationFn: (body: { text: string }) =>
      unwrap(api.POST("/posts/{id}/comments", { params: { path: { id: postId } }, body })),
    onSuccess: async () => {
      form.reset();
      void client.invalidateQueries({ queryKey: ["posts"] });
      await client.invalidateQueries(postQuery(postId));
    },
    onError: (error) => { form.fail(errorsOf(["text"], error)); },
  });
  return (
    <Form
      form={form}
      className="comment-form"
      onSend={(body) => { add.mutate(body); }}
    >
      <TextField form={form} name="text" label="Your comment" area={{ rows: 4 }} />
      <FormError message={form.errors.form} />
      <button type="submit" className="button" disabled={add.isPending}>
        {add.isPending ? "Posting…" : "Post comment"}
      </button>
    </Form>
  );
}
