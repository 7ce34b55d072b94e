/**
 * @file replay.c
 * The main function of a fuzz target outside the fuzz preset: feeds it a corpus instead of random bytes.
 *
 * Every file of the folder is given whole and, when it is short, cut at each byte, in memory of exactly that size,
 * so that the sanitizers see a read past the end.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_FILE_BYTES = 16 << 20, MAX_CUT_BYTES = 2048 };

static void feed(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	if (size)
		memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static int replay(const char *folder, const char *name)
{
	char path[4096];
	FILE *file;
	uint8_t *data;
	size_t size;

	if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
		return -1;
	file = fopen(path, "rb");
	data = malloc(MAX_FILE_BYTES);
	if (!file || !data) {
		perror(path);
		exit(1);
	}
	size = fread(data, 1, MAX_FILE_BYTES, file);
	fclose(file);
	feed(data, size);
	for (size_t cut = 0; cut < size && size <= MAX_CUT_BYTES; cut++)
		feed(data, cut);
	free(data);
	return 0;
}

int main(int argc, char **argv)
{
	const struct dirent *entry;
	unsigned files = 0;
	DIR *folder;

	if (argc != 2) {
		fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
		return 2;
	}
	folder = opendir(argv[1]);
	if (!folder) {
		perror(argv[1]);
		return 1;
	}
	while ((entry = readdir(folder))) {
		if (entry->d_name[0] == '.')
			continue;
		if (replay(argv[1], entry->d_name))
			return 1;
		files++;
	}
	closedir(folder);
	if (!files) {
		fprintf(stderr, "%s: a fuzz target needs a corpus\n", argv[1]);
		return 1;
	}
	printf("%u files replayed\n", files);
	return 0;
}
