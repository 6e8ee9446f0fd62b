import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useForm } from "react-hook-form";
import { api, unwrap } from "../../api/client";
import { postQuery } from "../../lib/queries";
import { FormError } from "../forms/FormError";
import { showErrors } from "../forms/formErrors";
import { TextField } from "../forms/TextField";

/** Adds a comment, for users who are logged in. */
export function CommentForm({ postId }: { postId: string }) {
  const client = useQueryClient();
  const form = useForm({ defaultValues: { text: "" } });
  const add = useMutation({
    mutationFn: (body: { text: string }) =>
      unwrap(api.POST("/posts/{id}/comments", { params: { path: { id: postId } }, body })),
    onSuccess: async () => {
      form.reset();
      void client.invalidateQueries({ queryKey: ["posts"] });
      await client.invalidateQueries(postQuery(postId));
    },
    onError: (error) => { showErrors(form, ["text"], error); },
  });
  return (
    <form
      noValidate
      className="mt-8"
      onSubmit={(event) => void form.handleSubmit((body) => { add.mutate(body); })(event)}
    >
      <TextField form={form} name="text" label="Your comment" area={{ rows: 4 }} />
      <FormError message={form.formState.errors.root?.message} />
      <button type="submit" className="button" disabled={add.isPending}>
        {add.isPending ? "Posting…" : "Post comment"}
      </button>
    </form>
  );
}
