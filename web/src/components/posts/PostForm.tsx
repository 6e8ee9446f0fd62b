import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useForm } from "react-hook-form";
import { api, unwrap, type Post } from "../../api/client";
import { postQuery } from "../../lib/queries";
import { FormError } from "../forms/FormError";
import { showErrors } from "../forms/formErrors";
import { TextField } from "../forms/TextField";

interface Props {
  /** The post to change; a new one when left out. */
  post?: Post;
  onDone: () => void;
}

export function PostForm({ post, onDone }: Props) {
  const client = useQueryClient();
  const form = useForm({
    defaultValues: { title: post?.title ?? "", url: post?.url ?? "", text: post?.text ?? "" },
  });
  const save = useMutation({
    mutationFn: (fields: { title: string; url: string; text: string }) => {
      // An empty field is left out of the request.
      const body = { title: fields.title, url: fields.url || null, text: fields.text || null };
      return unwrap(
        post
          ? api.PATCH("/posts/{id}", { params: { path: { id: post.id } }, body })
          : api.POST("/posts", { body }),
      );
    },
    onSuccess: async (saved) => {
      void client.invalidateQueries(postQuery(saved.id));
      await client.invalidateQueries({ queryKey: ["posts"] });
      onDone();
    },
    onError: (error) => { showErrors(form, ["title", "url", "text"], error); },
  });
  return (
    <form
      noValidate
      aria-label={post ? `Edit ${post.title}` : "Write a post"}
      className="my-4 rounded-sm border border-line bg-card p-4"
      onSubmit={(event) => void form.handleSubmit((fields) => { save.mutate(fields); })(event)}
    >
      <TextField form={form} name="title" label="Title" />
      <TextField form={form} name="url" label="Link (optional)" input={{ type: "url", inputMode: "url" }} />
      <TextField form={form} name="text" label="Text (optional)" area={{ rows: 6 }} />
      <FormError message={form.formState.errors.root?.message} />
      <div className="flex gap-2">
        <button type="submit" className="button" disabled={save.isPending}>
          {save.isPending ? "Saving…" : post ? "Save" : "Publish"}
        </button>
        <button type="button" className="button-quiet" onClick={onDone}>
          Cancel
        </button>
      </div>
    </form>
  );
}
