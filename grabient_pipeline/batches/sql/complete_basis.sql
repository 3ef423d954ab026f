-- Refinements of adopted batches of whose consensus only the first digits were known, now that it is counted: request,
-- full digest and claim.
CREATE OR REPLACE TEMP TABLE completed_basis AS
SELECT
    requests.custom_id,
    consensus.prompt_version AS consensus_prompt_version,
    consensus.digest,
    md5_number(
        concat_ws(
            chr(31), requests.stage, requests.seed, requests.provider, requests.model, requests.analysis_index,
            requests.prompt_version, consensus.digest
        )
    ) AS claim
FROM tag_requests AS requests
JOIN palette_tag_consensus AS consensus
    ON consensus.seed = requests.seed AND contains(consensus.digest, requests.basis)
WHERE requests.stage = 'refinement' AND starts_with(requests.basis, '/')
QUALIFY row_number() OVER (PARTITION BY requests.custom_id ORDER BY consensus.digest) = 1
