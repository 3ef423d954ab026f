-- The comments of tables, views and columns, in plain English. docs/tables.md is generated from them.

COMMENT ON TABLE answer_parses IS 'The version of the parser that parsed the responses of a batch';
COMMENT ON COLUMN answer_parses.parsed_at IS 'When it parsed the responses';

COMMENT ON TABLE collection_findings IS 'Result rows with a problem. Every problem is recorded; none is dropped silently';
COMMENT ON COLUMN collection_findings.custom_id IS 'The id in the row, if it could be read';

COMMENT ON COLUMN config.tag_analysis_count IS 'How many times each model describes each palette';
COMMENT ON COLUMN config.convex_id IS 'The Convex document that the settings came from';

COMMENT ON TABLE convex_imports IS 'The progress of each import of a Convex export, one row per table. An interrupted import resumes here';
COMMENT ON COLUMN convex_imports.fingerprint IS 'A hash of the content of the export';
COMMENT ON COLUMN convex_imports.source IS 'The path of the export';
COMMENT ON COLUMN convex_imports.lines_done IS 'The number of lines processed';
COMMENT ON COLUMN convex_imports.finished IS 'Whether all lines are processed';
COMMENT ON COLUMN convex_imports.counts IS 'The counts in the report for these lines';
COMMENT ON COLUMN convex_imports.updated_at IS 'The time of the last update';

COMMENT ON TABLE convex_set_aside IS 'Documents that an import rejected, unchanged and with the reason. The next import tries them again';
COMMENT ON COLUMN convex_set_aside.line_number IS 'The line in the export, from 1';
COMMENT ON COLUMN convex_set_aside.reason IS 'Why it was rejected';
COMMENT ON COLUMN convex_set_aside.document IS 'The line of the export, unchanged';
COMMENT ON COLUMN convex_set_aside.set_aside_at IS 'The time of the last update';

COMMENT ON TABLE counted_prompt_versions IS 'The prompt versions chosen to count. If none is chosen for a stage, all versions count';

COMMENT ON TABLE model_scorecard IS 'Quality and cost of each tagging model, over its responses to the newest tagging prompt. One row per model';
COMMENT ON COLUMN model_scorecard.provider IS 'The provider';
COMMENT ON COLUMN model_scorecard.prompt_version IS 'The newest tagging prompt with responses; the same for all models, so that they can be compared';
COMMENT ON COLUMN model_scorecard.requests IS 'Requests with an outcome, good or bad; every attempt counts';
COMMENT ON COLUMN model_scorecard.usable IS 'Requests with a usable response';
COMMENT ON COLUMN model_scorecard.failure_reasons IS 'Why the others were unusable, most frequent reason first';
COMMENT ON COLUMN model_scorecard.temperature_agreement IS 'Share of usable responses with the measured temperature';
COMMENT ON COLUMN model_scorecard.contrast_agreement IS 'Share of usable responses with the measured contrast';
COMMENT ON COLUMN model_scorecard.brightness_agreement IS 'Share of usable responses with the measured brightness';
COMMENT ON COLUMN model_scorecard.saturation_agreement IS 'Share of usable responses with the measured saturation';
COMMENT ON COLUMN model_scorecard.measured_agreement IS 'The mean of the four shares';
COMMENT ON COLUMN model_scorecard.alpha_with_others IS 'Mean of Krippendorff''s alpha (nominal) with each other model on the attributes; 1 is agreement, 0 is chance';
COMMENT ON COLUMN model_scorecard.alpha_without IS 'Krippendorff''s alpha of all other models';
COMMENT ON COLUMN model_scorecard.alpha_of_all IS 'Krippendorff''s alpha of all models; if it is above alpha_without, this model raises the agreement';
COMMENT ON COLUMN model_scorecard.mood_overlap IS 'Share of the other models that give the same mood, averaged over its moods';
COMMENT ON COLUMN model_scorecard.style_overlap IS 'The same for styles';
COMMENT ON COLUMN model_scorecard.associations_overlap IS 'The same for associations';
COMMENT ON COLUMN model_scorecard.open_overlap IS 'The mean of the three overlaps';
COMMENT ON COLUMN model_scorecard.winners_changed IS 'Share of attributes, over all palettes, that get another value without this model';
COMMENT ON COLUMN model_scorecard.top_tags_changed IS 'How much the top moods, styles and associations change without this model: the mean of 1 - Jaccard index';
COMMENT ON COLUMN model_scorecard.quality IS 'The mean of measured_agreement and open_overlap';
COMMENT ON COLUMN model_scorecard.efficient IS 'True if no other model has at least its quality at a lower cost per usable response';
COMMENT ON COLUMN model_scorecard.output_tokens IS 'Over all attempts, including hidden reasoning';
COMMENT ON COLUMN model_scorecard.cost_usd IS 'The cost of all attempts, at the batch price of the day';
COMMENT ON COLUMN model_scorecard.median_hours IS 'The median time that its batches took at the provider, in hours';
COMMENT ON COLUMN model_scorecard.p90_hours IS 'The 90th percentile of that time, in hours';
COMMENT ON COLUMN model_scorecard.scored_at IS 'When the row was computed';

COMMENT ON TABLE palette_embeddings IS 'The embedding of each palette, for search';
COMMENT ON COLUMN palette_embeddings.embedding_model IS 'The embedding model; a query is embedded by the same model';
COMMENT ON COLUMN palette_embeddings.embed_text_hash IS 'The SHA-256 of the text; only new or changed text is embedded';
COMMENT ON COLUMN palette_embeddings.text_source IS 'refined, consensus or measured: the source of the words in the text';
COMMENT ON COLUMN palette_embeddings.cost_usd IS 'The cost of embedding the text; 0 for the local model';

COMMENT ON TABLE palette_spellings IS 'Every spelling of a seed under which a palette was imported';
COMMENT ON COLUMN palette_spellings.seed IS 'The seed as it was imported';
COMMENT ON COLUMN palette_spellings.palette_id IS 'The palette';
COMMENT ON COLUMN palette_spellings.source IS 'The file or service it came from';
COMMENT ON COLUMN palette_spellings.convex_id IS 'The Convex document with this spelling';
COMMENT ON COLUMN palette_spellings.convex_created_at IS 'When the Convex document was created';

COMMENT ON TABLE palette_tag_consensus IS 'What the models agree on, one row per palette and prompt version. Every list starts with the tag with the most votes; ties are sorted by name';
COMMENT ON COLUMN palette_tag_consensus.prompt_version IS 'The tagging prompt of the responses';
COMMENT ON COLUMN palette_tag_consensus.total_models IS 'Models with a usable response; each has one vote per tag, spread over its responses';
COMMENT ON COLUMN palette_tag_consensus.total_analyses IS 'Usable responses';
COMMENT ON COLUMN palette_tag_consensus.mood IS 'Each mood with its votes, its share of the models, the number of responses and the models that gave it';
COMMENT ON COLUMN palette_tag_consensus.style IS 'The same for each style';
COMMENT ON COLUMN palette_tag_consensus.harmony IS 'The same for each harmony';
COMMENT ON COLUMN palette_tag_consensus.temperature IS 'The same for each temperature; the first is the result';
COMMENT ON COLUMN palette_tag_consensus.contrast IS 'The same for each contrast; the first is the result';
COMMENT ON COLUMN palette_tag_consensus.brightness IS 'The same for each brightness; the first is the result';
COMMENT ON COLUMN palette_tag_consensus.saturation IS 'The same for each saturation; the first is the result';
COMMENT ON COLUMN palette_tag_consensus.seasonal IS 'The same for each season or holiday';
COMMENT ON COLUMN palette_tag_consensus.associations IS 'The same for each association';
COMMENT ON COLUMN palette_tag_consensus.digest IS 'The prompt version, a slash and a hash of the counts; a refinement with another digest is stale';
COMMENT ON COLUMN palette_tag_consensus.counted_at IS 'When these counts were first computed; computing the same counts again does not change it';

COMMENT ON TABLE palette_tag_refined IS 'The consensus tags of a palette, refined by a strong model';
COMMENT ON COLUMN palette_tag_refined.provider IS 'The provider';
COMMENT ON COLUMN palette_tag_refined.prompt_version IS 'The refinement prompt';
COMMENT ON COLUMN palette_tag_refined.tags IS 'Best first; the four attributes are the measured values. Null if there is an error';
COMMENT ON COLUMN palette_tag_refined.embed_text IS 'The text embedded for search; if there is an error, composed of the measured attributes and the consensus';
COMMENT ON COLUMN palette_tag_refined.embed_text_recipe IS 'The version of the rules that compose embed_text';
COMMENT ON COLUMN palette_tag_refined.error IS 'Why there are no tags, as code: explanation';
COMMENT ON COLUMN palette_tag_refined.usage IS 'The tokens paid for, also if there is an error';
COMMENT ON COLUMN palette_tag_refined.cost_usd IS 'The cost of this response, at the batch price of the day';
COMMENT ON COLUMN palette_tag_refined.consensus_prompt_version IS 'The tagging prompt of the refined consensus';
COMMENT ON COLUMN palette_tag_refined.consensus_digest IS 'The digest of the refined consensus';
COMMENT ON COLUMN palette_tag_refined.batch_id IS 'The provider''s id of the batch';
COMMENT ON COLUMN palette_tag_refined.custom_id IS 'The request that this response belongs to';
COMMENT ON COLUMN palette_tag_refined.created_at IS 'When the response was collected';
COMMENT ON COLUMN palette_tag_refined.convex_id IS 'Its document in Convex';
COMMENT ON COLUMN palette_tag_refined.convex_created_at IS 'When the Convex document was created';
COMMENT ON COLUMN palette_tag_refined.convex_fields IS 'Other fields of the Convex document, such as its embed text';

COMMENT ON TABLE palette_tags IS 'The parsed tagging responses: a pure function of tag_responses';
COMMENT ON COLUMN palette_tags.provider IS 'The provider';
COMMENT ON COLUMN palette_tags.analysis_index IS 'Which of the descriptions by this model, from 0';
COMMENT ON COLUMN palette_tags.prompt_version IS 'The prompt version';
COMMENT ON COLUMN palette_tags.tags IS 'Null if there is an error';
COMMENT ON COLUMN palette_tags.error IS 'Why there are no tags, as code: explanation';
COMMENT ON COLUMN palette_tags.usage IS 'The tokens paid for, also if there is an error';
COMMENT ON COLUMN palette_tags.cost_usd IS 'The cost of this response, at the batch price of the day';
COMMENT ON COLUMN palette_tags.batch_id IS 'The provider''s id of the batch';
COMMENT ON COLUMN palette_tags.custom_id IS 'The request that this response belongs to';
COMMENT ON COLUMN palette_tags.created_at IS 'When the response was collected';
COMMENT ON COLUMN palette_tags.run_number IS 'The runNumber of Convex, from 1, until it is cleared';
COMMENT ON COLUMN palette_tags.convex_id IS 'Its document in Convex';
COMMENT ON COLUMN palette_tags.convex_created_at IS 'When the Convex document was created';
COMMENT ON COLUMN palette_tags.convex_fields IS 'Other fields of the Convex document';

COMMENT ON TABLE palettes IS 'The palettes, one row each';
COMMENT ON COLUMN palettes.seed IS 'The seed as first imported; the key in all tables';
COMMENT ON COLUMN palettes.palette_id IS 'Derived from the canonical form: equal for all spellings of a palette';
COMMENT ON COLUMN palettes.canonical_seed IS 'The seed with the global modifiers applied, in the aligned encoding';
COMMENT ON COLUMN palettes.name IS 'The imported name, if any';
COMMENT ON COLUMN palettes.image_url IS 'The picture: a URL, or a path below the data directory';
COMMENT ON COLUMN palettes.source IS 'The file or service it came from';
COMMENT ON COLUMN palettes.created_at IS 'When it was imported; requests are made in this order';
COMMENT ON COLUMN palettes.convex_id IS 'Its first document in Convex; null if it has none';
COMMENT ON COLUMN palettes.convex_created_at IS 'When the Convex document was created';

COMMENT ON TABLE prompt_versions IS 'The full content of every prompt ever sent';
COMMENT ON COLUMN prompt_versions.version IS 'The first 12 hex digits of the SHA-256 of everything that influences the response';
COMMENT ON COLUMN prompt_versions.message IS 'The message of the change, if any';
COMMENT ON COLUMN prompt_versions.convex_id IS 'Its document in Convex, which computed its hashes differently';
COMMENT ON COLUMN prompt_versions.convex_created_at IS 'When the Convex document was created';

COMMENT ON TABLE request_claims IS 'One row per request that is in flight or has succeeded. Its primary key rejects a request that would be paid for twice';

COMMENT ON TABLE schema_migrations IS 'The migrations applied to this database';
COMMENT ON COLUMN schema_migrations.name IS 'The name of the file, without its extension';

COMMENT ON TABLE tag_batches IS 'The ledger: one row per batch at a provider, of either stage';
COMMENT ON COLUMN tag_batches.submission IS 'Our token, sent along with the batch so that the batch can be found again';
COMMENT ON COLUMN tag_batches.endpoint IS 'The host it was sent to';
COMMENT ON COLUMN tag_batches.provider IS 'The provider''s key in the catalogue, such as anthropic';
COMMENT ON COLUMN tag_batches.batch_id IS 'The provider''s id of the batch; null until the provider responded';
COMMENT ON COLUMN tag_batches.provider_status IS 'The provider''s own status, as last polled';
COMMENT ON COLUMN tag_batches.request_count IS 'The number of requests';
COMMENT ON COLUMN tag_batches.completed_count IS 'The number of requests with a response';
COMMENT ON COLUMN tag_batches.failed_count IS 'The number of requests that failed';
COMMENT ON COLUMN tag_batches.prompt_version IS 'The prompt version of all its requests';
COMMENT ON COLUMN tag_batches.parameters IS 'The model''s request parameters';
COMMENT ON COLUMN tag_batches.estimated_input_tokens IS 'The estimate before it was sent';
COMMENT ON COLUMN tag_batches.estimated_output_tokens IS 'The estimate before it was sent';
COMMENT ON COLUMN tag_batches.cost_usd IS 'The cost by the tokens the provider reported; null until collected';
COMMENT ON COLUMN tag_batches.submitted_at IS 'When the provider accepted it';
COMMENT ON COLUMN tag_batches.polled_at IS 'When it was last polled';
COMMENT ON COLUMN tag_batches.collected_at IS 'When its results were collected; null until then';
COMMENT ON COLUMN tag_batches.error IS 'The provider''s error, or why it was released';
COMMENT ON COLUMN tag_batches.reported_count IS 'The number of requests that the provider reported as completed';
COMMENT ON COLUMN tag_batches.looked_for_at IS 'When the provider was last searched for this batch, if its creation got no response';
COMMENT ON COLUMN tag_batches.evidence IS 'What the search found, and why the batch was adopted or released';
COMMENT ON COLUMN tag_batches.access IS 'batch, or direct if its requests are ordinary calls at full price';
COMMENT ON COLUMN tag_batches.convex_id IS 'Its document in Convex';
COMMENT ON COLUMN tag_batches.convex_created_at IS 'When the Convex document was created';
COMMENT ON COLUMN tag_batches.convex_fields IS 'Other fields of the Convex document';

COMMENT ON TABLE tag_requests IS 'The requests of the batches, one row each';
COMMENT ON COLUMN tag_requests.custom_id IS 'The submission, an underscore and the row number';
COMMENT ON COLUMN tag_requests.submission IS 'The batch it is part of';
COMMENT ON COLUMN tag_requests.seed IS 'The palette';
COMMENT ON COLUMN tag_requests.provider IS 'The same as in its batch';
COMMENT ON COLUMN tag_requests.model IS 'The same as in its batch';
COMMENT ON COLUMN tag_requests.analysis_index IS 'Which of the descriptions by this model, from 0';
COMMENT ON COLUMN tag_requests.prompt_version IS 'The prompt version when the request was reserved';
COMMENT ON COLUMN tag_requests.attempt IS 'The number of the attempt for this slot, from 1';
COMMENT ON COLUMN tag_requests.state IS 'in_flight, succeeded, failed, or released to be requested again';
COMMENT ON COLUMN tag_requests.basis IS 'The digest of the consensus to refine; null when tagging';

COMMENT ON TABLE tag_responses IS 'The raw response to each request, unchanged';
COMMENT ON COLUMN tag_responses.custom_id IS 'The request';
COMMENT ON COLUMN tag_responses.submission IS 'The batch it was part of';
COMMENT ON COLUMN tag_responses.outcome IS 'succeeded, errored, expired, cancelled, or missing if the provider returned nothing';
COMMENT ON COLUMN tag_responses.text IS 'The text of the model, unchanged';
COMMENT ON COLUMN tag_responses.finish_reason IS 'Why the model stopped, in the provider''s own word';
COMMENT ON COLUMN tag_responses.error IS 'The provider''s error message';
COMMENT ON COLUMN tag_responses.usage IS 'The tokens paid for; hidden reasoning counts as output';
COMMENT ON COLUMN tag_responses.received_at IS 'When it was collected';

COMMENT ON TABLE unnumbered_palette_tags IS 'Imported responses without an analysis index; grabient migrate run-number assigns one';
COMMENT ON COLUMN unnumbered_palette_tags.custom_id IS 'The request that the response will belong to';
COMMENT ON COLUMN unnumbered_palette_tags.seed IS 'The palette, as spelled in the document';
COMMENT ON COLUMN unnumbered_palette_tags.provider IS 'The provider';
COMMENT ON COLUMN unnumbered_palette_tags.run_number IS 'The runNumber of Convex, from 1; null if the document has none';
COMMENT ON COLUMN unnumbered_palette_tags.prompt_version IS 'The prompt version';
COMMENT ON COLUMN unnumbered_palette_tags.text IS 'The tags of the document, as JSON';
COMMENT ON COLUMN unnumbered_palette_tags.error IS 'The error in the document';
COMMENT ON COLUMN unnumbered_palette_tags.input_tokens IS 'The tokens paid for';
COMMENT ON COLUMN unnumbered_palette_tags.output_tokens IS 'The tokens paid for';
COMMENT ON COLUMN unnumbered_palette_tags.reason IS 'Why the tags are unusable; null if they are usable';
COMMENT ON COLUMN unnumbered_palette_tags.tags IS 'The parsed tags, as JSON';
COMMENT ON COLUMN unnumbered_palette_tags.parser_version IS 'The version of the parser';
COMMENT ON COLUMN unnumbered_palette_tags.line_number IS 'The line in the export; of two equal documents the first counts';
COMMENT ON COLUMN unnumbered_palette_tags.convex_id IS 'Its document in Convex';
COMMENT ON COLUMN unnumbered_palette_tags.convex_created_at IS 'When the Convex document was created';
COMMENT ON COLUMN unnumbered_palette_tags.convex_fields IS 'Other fields of the document, as JSON';

COMMENT ON VIEW answer_tags IS 'The tags of every usable response, one row per tag';
COMMENT ON COLUMN answer_tags.provider IS 'The provider';
COMMENT ON COLUMN answer_tags.analysis_index IS 'Which of the descriptions by this model, from 0';
COMMENT ON COLUMN answer_tags.prompt_version IS 'The prompt version';
COMMENT ON COLUMN answer_tags.custom_id IS 'The request that this response belongs to';
COMMENT ON COLUMN answer_tags.batch_id IS 'The provider''s id of the batch';
COMMENT ON COLUMN answer_tags.cost_usd IS 'The cost of this response, at the batch price of the day';
COMMENT ON COLUMN answer_tags.tag IS 'One tag of the response in this field';

COMMENT ON VIEW batch_durations IS 'How long the batches of each provider took, from submission to completion';
COMMENT ON COLUMN batch_durations.provider IS 'The provider';
COMMENT ON COLUMN batch_durations.batches IS 'The number of completed batches';
COMMENT ON COLUMN batch_durations.median_hours IS 'The median time, in hours';
COMMENT ON COLUMN batch_durations.p90_hours IS 'The 90th percentile of the time, in hours';

COMMENT ON VIEW consensus_tags IS 'The consensus, one row per tag; place 1 has the most votes';
COMMENT ON COLUMN consensus_tags.prompt_version IS 'The tagging prompt of the responses';
COMMENT ON COLUMN consensus_tags.place IS 'The rank among the tags of the field, from 1: most votes first, ties by name';
COMMENT ON COLUMN consensus_tags.votes IS 'The votes: each model has one, spread over its responses';
COMMENT ON COLUMN consensus_tags.answers IS 'The number of responses that gave it';

COMMENT ON VIEW countable_prompt_versions IS 'The prompt versions whose responses count: those chosen, or all';
COMMENT ON COLUMN countable_prompt_versions.version IS 'The first 12 hex digits of the SHA-256 of everything that influences the response';
COMMENT ON COLUMN countable_prompt_versions.message IS 'The message of the change, if any';
COMMENT ON COLUMN countable_prompt_versions.convex_id IS 'Its document in Convex, which computed its hashes differently';
COMMENT ON COLUMN countable_prompt_versions.convex_created_at IS 'When the Convex document was created';

COMMENT ON VIEW current_consensus IS 'The consensus of each palette for the newest tagging prompt that counts';
COMMENT ON COLUMN current_consensus.prompt_version IS 'The tagging prompt of the responses';
COMMENT ON COLUMN current_consensus.total_models IS 'Models with a usable response; each has one vote per tag, spread over its responses';
COMMENT ON COLUMN current_consensus.total_analyses IS 'Usable responses';
COMMENT ON COLUMN current_consensus.mood IS 'Each mood with its votes, its share of the models, the number of responses and the models that gave it';
COMMENT ON COLUMN current_consensus.style IS 'The same for each style';
COMMENT ON COLUMN current_consensus.harmony IS 'The same for each harmony';
COMMENT ON COLUMN current_consensus.temperature IS 'The same for each temperature; the first is the result';
COMMENT ON COLUMN current_consensus.contrast IS 'The same for each contrast; the first is the result';
COMMENT ON COLUMN current_consensus.brightness IS 'The same for each brightness; the first is the result';
COMMENT ON COLUMN current_consensus.saturation IS 'The same for each saturation; the first is the result';
COMMENT ON COLUMN current_consensus.seasonal IS 'The same for each season or holiday';
COMMENT ON COLUMN current_consensus.associations IS 'The same for each association';
COMMENT ON COLUMN current_consensus.digest IS 'The prompt version, a slash and a hash of the counts; a refinement with another digest is stale';
COMMENT ON COLUMN current_consensus.counted_at IS 'When these counts were first computed; computing the same counts again does not change it';

COMMENT ON VIEW current_refinement IS 'The newest usable refinement of each palette, among the versions that count';
COMMENT ON COLUMN current_refinement.provider IS 'The provider';
COMMENT ON COLUMN current_refinement.prompt_version IS 'The refinement prompt';
COMMENT ON COLUMN current_refinement.tags IS 'Best first; the four attributes are the measured values. Null if there is an error';
COMMENT ON COLUMN current_refinement.embed_text IS 'The text embedded for search; if there is an error, composed of the measured attributes and the consensus';
COMMENT ON COLUMN current_refinement.embed_text_recipe IS 'The version of the rules that compose embed_text';
COMMENT ON COLUMN current_refinement.error IS 'Why there are no tags, as code: explanation';
COMMENT ON COLUMN current_refinement.usage IS 'The tokens paid for, also if there is an error';
COMMENT ON COLUMN current_refinement.cost_usd IS 'The cost of this response, at the batch price of the day';
COMMENT ON COLUMN current_refinement.consensus_prompt_version IS 'The tagging prompt of the refined consensus';
COMMENT ON COLUMN current_refinement.consensus_digest IS 'The digest of the refined consensus';
COMMENT ON COLUMN current_refinement.batch_id IS 'The provider''s id of the batch';
COMMENT ON COLUMN current_refinement.custom_id IS 'The request that this response belongs to';
COMMENT ON COLUMN current_refinement.created_at IS 'When the response was collected';
COMMENT ON COLUMN current_refinement.convex_id IS 'Its document in Convex';
COMMENT ON COLUMN current_refinement.convex_created_at IS 'When the Convex document was created';
COMMENT ON COLUMN current_refinement.convex_fields IS 'Other fields of the Convex document, such as its embed text';

COMMENT ON VIEW paid_and_not_kept IS 'Batches for which the provider counts more responses than it returned. It should be empty';
COMMENT ON COLUMN paid_and_not_kept.submission IS 'Our token, sent along with the batch so that the batch can be found again';
COMMENT ON COLUMN paid_and_not_kept.provider IS 'The provider''s key in the catalogue, such as anthropic';
COMMENT ON COLUMN paid_and_not_kept.batch_id IS 'The provider''s id of the batch; null until the provider responded';
COMMENT ON COLUMN paid_and_not_kept.requests IS 'The number of responses billed but not returned';

COMMENT ON VIEW resting_requests IS 'Slots whose requests have all failed so far, with the number of failures and the last request';
COMMENT ON COLUMN resting_requests.seed IS 'The palette';
COMMENT ON COLUMN resting_requests.provider IS 'The same as in its batch';
COMMENT ON COLUMN resting_requests.model IS 'The same as in its batch';
COMMENT ON COLUMN resting_requests.analysis_index IS 'Which of the descriptions by this model, from 0';
COMMENT ON COLUMN resting_requests.prompt_version IS 'The prompt version when the request was reserved';
COMMENT ON COLUMN resting_requests.basis IS 'The digest of the consensus to refine; null when tagging';
COMMENT ON COLUMN resting_requests.failures IS 'The number of failed requests';
COMMENT ON COLUMN resting_requests.last_custom_id IS 'The last failed request';

COMMENT ON VIEW searchable_palettes IS 'What search looks at: the measured attributes of each palette, and its refined or consensus tags';
COMMENT ON COLUMN searchable_palettes.seed IS 'The seed as first imported; the key in all tables';
COMMENT ON COLUMN searchable_palettes.palette_id IS 'Derived from the canonical form: equal for all spellings of a palette';
COMMENT ON COLUMN searchable_palettes.name IS 'The imported name, if any';
COMMENT ON COLUMN searchable_palettes.image_url IS 'The picture: a URL, or a path below the data directory';
COMMENT ON COLUMN searchable_palettes.text_source IS 'refined, consensus or measured: the source of the words below';
COMMENT ON COLUMN searchable_palettes.mood IS 'The refined moods, or those with the most votes';
COMMENT ON COLUMN searchable_palettes.style IS 'The refined styles, or those with the most votes';
COMMENT ON COLUMN searchable_palettes.seasonal IS 'The refined seasons and holidays, or those that at least a quarter of the models gave';
COMMENT ON COLUMN searchable_palettes.associations IS 'The refined associations, or those with the most votes';

COMMENT ON VIEW tag_provenance IS 'Every final tag with each response that gave it: model, batch, prompt version, cost';
COMMENT ON COLUMN tag_provenance.refinement_batch_id IS 'The provider''s id of the refinement batch';
COMMENT ON COLUMN tag_provenance.refinement_cost_usd IS 'The cost of refining this palette, in US dollars';
COMMENT ON COLUMN tag_provenance.provider IS 'The provider of the response; null if no counted response gave the tag and the refining model added it';
COMMENT ON COLUMN tag_provenance.analysis_index IS 'Which of the descriptions by this model, from 0';
COMMENT ON COLUMN tag_provenance.custom_id IS 'The request that this response belongs to';
COMMENT ON COLUMN tag_provenance.batch_id IS 'The provider''s id of the batch';
COMMENT ON COLUMN tag_provenance.cost_usd IS 'The cost of this response, at the batch price of the day';
COMMENT ON COLUMN tag_provenance.prompt_version IS 'The prompt version';
