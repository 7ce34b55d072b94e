/*
 * The keys that clients seal for. They live in memory only: what was sealed for an earlier run of this program opens nothing. What was seen under
 * a key is kept as long as the key, all of it; before there is too much the next key takes over.
 */
#include <stdlib.h>

#include "base/util.h"
#include "crypto/secret.h"
#include "hidden/host_internal.h"

void host_key_new(struct host_key *k)
{
	*k = (struct host_key){0};
	vx6_kx_keypair(&k->pk, &k->sk);
	k->seen = vx6_nonces_new(KEY_USES_MAX);
}

void host_key_free(struct host_key *k)
{
	vx6_nonces_free(k->seen);
	for (int n = 0; n < 2; n++)
		vx6_wipe_free(k->known[n], sizeof *k->known[n]);
	vx6_wipe(k, sizeof *k);
}

void host_key_rotate(struct host_intro *i)
{
	host_key_free(&i->key[1]);
	i->key[1] = i->key[0];
	host_key_new(&i->key[0]);
	host_dirty(i->s);
}
