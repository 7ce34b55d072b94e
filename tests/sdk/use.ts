// What a client does with the types: the compiler must take it, and refuse what is marked.
import type { components, operations, paths } from "../../build/clients/typescript/vx6";

type Peer = components["schemas"]["Peer"];
type PeerList = paths["/v1/peers"]["get"]["responses"]["200"]["content"]["application/json"];
type NewService = NonNullable<paths["/v1/services"]["post"]["requestBody"]>["content"]["application/json"];
type Problem = components["schemas"]["Problem"];

export async function peersUp(url: string): Promise<Peer[]> {
	const query: operations["peer_list"]["parameters"]["query"] = { limit: 100 };
	const answer = await fetch(`${url}/v1/peers?limit=${query?.limit}`);
	const page: PeerList = (await answer.json()) as PeerList;
	return page.items.filter((peer) => peer.status.state === "up" && (peer.status.rtt_ms ?? 0) < 1000);
}

export const web: NewService = { name: "web", target: "127.0.0.1:8080", visibility: "public" };

// @ts-expect-error a service has a name
export const nameless: NewService = { target: "127.0.0.1:8080" };
// @ts-expect-error no such visibility
export const odd: NewService = { name: "web", target: "127.0.0.1:8080", visibility: "sideways" };
// @ts-expect-error no such field
export const field = (problem: Problem): string => problem.colour;
// @ts-expect-error no such route
export type None = paths["/v1/nothing"];
