import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, unwrap, type Post } from "../../api/client";
import { postQuery } from "../../lib/queries";
import { Form } from "../forms/Form";
import { FormError } from "../forms/FormError";
import { errorsOf } from "../forms/errorsOf";
import { TextField } from "../forms/TextField";
import { useForm } from "../forms/useForm";

interface Props {
  /** The post to change; a new one when left out. */
  post?: Post;
  onDone: () => void;
}

export function PostForm({ post, onDone }: Props) {
  const client = useQueryClient();
  const form = useForm<"title" | "url" | "text">();
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
    onError: (error) => { form.fail(errorsOf(["title", "url", "text"], error)); },
  });
  return (
    <Form
      form={form}
      aria-label={post ? `Edit ${post.title}` : "Write a post"}
      className="sheet"
      onSend={(fields) => { save.mutate(fields); }}
    >
      <TextField form={form} name="title" label="Title" input={{ defaultValue: post?.title }} />
      <TextField
        form={form}
        name="url"
        label="Link (optional)"
        input={{ type: "url", inputMode: "url", defaultValue: post?.url ?? "" }}
      />
      <TextField
        form={form}
        name="text"
        label="Text (optional)"
        area={{ rows: 6, defaultValue: post?.text ?? "" }}
      />
      <FormError message={form.errors.form} />
      <div className="buttons">
        <button type="submit" className="button" disabled={save.isPending}>
          {save.isPending ? "Saving…" : post ? "Save" : "Publish"}
        </button>
        <button type="button" className="button button-second" onClick={onDone}>
          Cancel
        </button>
      </div>
    </Form>
  );
}
