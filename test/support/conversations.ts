/** Sends the first turn of a conversation, which begins like no other one; returns the status once the answer has ended. */
export async function askIn(conversation: number, url: string): Promise<number> {
  const content = `Conversation ${conversation} begins. ${"some words ".repeat(70)}`;
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model: "sim-model",
      stream: true,
      max_tokens: 3,
      messages: [{ role: "user", content }],
    }),
  });
  await response.text();
  return response.status;
}
