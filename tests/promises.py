"""What the product promises, each with the tests that hold it. `test_promises.py` sees that these exist."""

from promise import Promise
from promises_flywheel import FLYWHEEL

PROMISES: dict[str, Promise] = {
    # starting
    "starts-with-nothing": Promise(
        "Without key, settings or network the gateway starts and the simulated provider answers under its name.",
        (
            "test_with_nothing_found_the_simulated_provider_answers_the_line_that_is_offered",
            "test_every_answer_names_its_maker_in_a_header",
        ),
    ),
    "finds-providers": Promise(
        "Keys of every known provider are found in the environment and engines on this machine by their answers.",
        (
            "test_the_key_of_every_known_provider_is_found_in_the_environment_and_never_shown",
            "test_an_engine_is_known_by_its_answer_not_by_its_port",
            "test_every_provider_of_the_shared_catalog_is_known_with_its_host_and_dialect",
        ),
    ),
    "names-the-way-out": Promise(
        "What cannot be started or done is one message that names the thing and the way out, and an exit code.",
        (
            "test_a_port_that_is_taken_is_named_with_the_way_out",
            "test_a_data_folder_that_cannot_be_written_is_named_with_the_way_out",
            "test_a_data_folder_that_another_gateway_uses_is_left_alone",
            "test_a_data_folder_that_is_not_there_is_named_and_not_made",
            "test_what_cannot_be_served_is_named",
        ),
    ),
    "settings-checked-whole": Promise(
        "Wrong settings are refused whole, every problem with its place and the nearest right name.",
        (
            "test_wrong_settings_are_all_listed_and_nothing_is_started",
            "test_all_problems_are_listed_at_once_with_their_places",
            "test_whatever_a_file_says_it_loads_or_every_line_names_a_place",
        ),
    ),
    "reload-keeps-old": Promise(
        "SIGHUP loads the settings again; where the new ones are wrong the old ones stay.",
        (
            "test_a_reload_is_told_and_wrong_settings_are_not_taken",
            "test_new_settings_hold_without_dropping_a_stream_and_wrong_ones_change_nothing",
        ),
    ),
    "secrets-stay-secret": Promise(
        "A secret is never printed, logged, pickled, stored in a snapshot or written into settings.",
        (
            "test_a_secret_is_not_shown_by_printing_logging_or_formatting",
            "test_a_secret_is_not_pickled_copied_or_encoded",
            "test_a_snapshot_holds_no_secret_and_cannot_give_one_back",
            "test_a_secret_that_is_not_there_is_named_and_a_written_one_is_refused_without_repeating_it",
        ),
    ),
    # asking
    "sdk-unmodified": Promise(
        "The OpenAI SDK works as it is: chat, streams, models, errors.",
        (
            "test_chat_and_stream_are_answered_and_recorded_with_their_cost",
            "test_an_unknown_model_is_refused_with_the_nearest_name_and_recorded",
            "test_models_are_listed",
        ),
    ),
    "lossless": Promise(
        "Where caller and provider speak one dialect unknown fields pass, and only what must change is changed.",
        (
            "test_a_recorded_request_is_sent_on_with_equal_values_whatever_its_spelling",
            "test_a_recorded_request_that_needs_no_change_is_sent_as_it_was_written",
            "test_a_recorded_stream_is_written_as_it_came",
            "test_a_recorded_stream_is_read_the_same_at_any_split",
            "test_a_recorded_completion_is_written_as_it_came",
        ),
    ),
    "media-by-url": Promise(
        "Media by URL reach providers that take them only inline, and no caller's URL leads inside the house.",
        (
            "test_an_image_by_url_reaches_a_provider_that_takes_only_bytes",
            "test_who_follows_links_gets_them_and_nothing_is_fetched",
            "test_a_name_that_leads_inside_by_any_of_its_addresses_is_not_asked",
            "test_a_public_name_is_looked_up_once_and_asked_at_just_that_address",
            "test_a_redirect_inside_is_not_followed",
            "test_an_address_of_metadata_of_a_link_of_a_group_or_of_nobody_is_never_asked",
            "test_nobody_else_opens_a_connection_to_what_callers_name",
        ),
    ),
    "usage-in-one-form": Promise(
        "Tokens are counted in one form whatever the provider states, and each is billed once.",
        (
            "test_the_usage_of_a_recorded_answer_is_brought_into_one_form",
            "test_usage_in_every_chunk_counts_once",
            "test_what_an_answer_that_failed_cost_is_counted",
        ),
    ),
    "errors-in-the-dialect": Promise(
        "Every error comes in the caller's dialect, and every status of a provider has one meaning.",
        (
            "test_every_error_of_ours_is_told_in_the_shape_of_openai",
            "test_a_status_has_one_meaning",
            "test_the_tree_is_whole",
            "test_a_path_that_does_not_exist_is_told_in_the_callers_dialect",
        ),
    ),
    "one-meaning": Promise(
        "A body with two meanings or none is refused by what is wrong with it.",
        (
            "test_a_body_with_two_meanings_or_none_is_refused_by_what_is_wrong",
            "test_a_wrong_body_is_refused_by_naming_what_is_wrong",
        ),
    ),
    "names-of-models": Promise(
        "`model` may be a route, a deployment, PROVIDER/MODEL, a bare name (the cheapest offer) or auto.",
        (
            "test_a_route_comes_first_and_keeps_its_order_and_rules",
            "test_a_bare_model_name_is_the_cheapest_of_all_who_offer_it_and_auto_is_everything",
            "test_provider_and_model_names_a_model_that_nobody_listed_with_no_facts",
        ),
    ),
    "hostile-callers": Promise(
        "Whatever bytes a caller sends, in whatever pieces, it gets an answer in its dialect or a closed connection.",
        (
            "test_any_split_of_a_request_gets_the_same_answer",
            "test_framing_with_two_meanings_is_refused_and_never_forwarded",
            "test_arbitrary_bytes_get_an_answer_or_a_close",
            "test_whatever_json_is_sent_the_caller_gets_an_answer_and_a_record",
        ),
    ),
    "slow-callers": Promise(
        "Slow, idle and large callers are bounded by size and time.",
        (
            "test_a_head_that_does_not_come_to_its_end_is_timed_out",
            "test_a_body_that_does_not_come_to_its_end_is_timed_out",
            "test_a_body_too_large_is_refused_by_its_length_before_it_is_sent",
            "test_heads_too_large_are_refused",
            "test_connections_beyond_the_limit_are_closed_and_room_is_made_again",
        ),
    ),
    # who may
    "loopback-open-else-key": Promise(
        "On loopback everybody may ask until a key is made; elsewhere a key is always required.",
        (
            "test_before_the_first_key_an_open_ring_lets_everybody_in_as_nobody",
            "test_one_key_closes_the_ring_also_when_it_is_revoked",
            "test_a_ring_that_requires_keys_is_closed_without_any",
            "test_on_another_address_than_loopback_a_missing_key_is_named",
            "test_where_a_key_was_made_the_line_takes_it_from_the_environment",
        ),
    ),
    "keys-digest-only": Promise(
        "Of a key only a digest is kept; its text is shown once.",
        (
            "test_a_key_is_made_with_its_scopes_limits_and_budget_and_its_secret_is_shown_once",
            "test_a_minted_key_is_its_text_and_a_digest_that_does_not_give_it_away",
            "test_a_wrong_secret_and_an_unknown_id_look_the_same",
        ),
    ),
    "keys-end": Promise(
        "A revoked, expired or rotated key ends when it is said to.",
        (
            "test_a_key_ends_when_it_expires",
            "test_a_key_ends_when_it_is_revoked_and_only_its_owner_hears_so",
            "test_a_rotated_key_keeps_its_id_and_scopes_and_the_old_secret_lasts_for_the_grace",
            "test_a_revoked_key_is_listed_as_such_and_cannot_be_rotated",
        ),
    ),
    "scopes": Promise(
        "A key asks for, and is served by, what its scopes name and nothing else.",
        (
            "test_scopes_name_routes_and_models_by_pattern",
            "test_a_name_outside_the_keys_routes_is_forbidden_and_counts_for_nothing",
        ),
    ),
    "limits": Promise(
        "No span of time admits more than a key's limits; whoever is refused hears when to come back, and may then.",
        (
            "test_no_span_of_time_admits_more_than_a_full_bucket_and_what_drained",
            "test_coming_back_when_told_to_always_passes_and_earlier_never",
            "test_the_headers_are_those_of_openai",
        ),
    ),
    "budgets-never-overspent": Promise(
        "A budget is reserved before the call, settled exactly, and never overspent, by many processes at once.",
        (
            "test_money_is_reserved_settled_and_flushed",
            "test_refills_flushes_and_requests_at_once_neither_lose_nor_overspend",
            "test_many_processes_never_overspend",
            "test_a_dead_node_is_reconciled_with_what_its_ledger_says_it_spent",
        ),
    ),
    # where and how
    "plans-are-pure": Promise(
        "A plan follows from its recorded inputs alone, and names why each other deployment was left out.",
        (
            "test_the_same_inputs_give_the_same_plan_in_whatever_order_the_candidates_come",
            "test_every_candidate_is_in_the_plan_or_left_out_for_a_reason_that_is_true",
            "test_each_objective_puts_first_what_it_says",
        ),
    ),
    "fallback-before-content": Promise(
        "Until content has left, a failed call is repeated or moves on; after that it is cut, never continued.",
        (
            "test_what_may_pass_is_tried_again",
            "test_the_next_deployment_takes_what_the_first_cannot",
            "test_a_stream_that_dies_before_content_moves_on_and_says_nothing_twice",
            "test_a_stream_that_dies_after_content_is_never_continued_elsewhere",
        ),
    ),
    "retries-are-ours": Promise(
        "Retries are bounded over all requests, and a caller is told when trying again is no use.",
        (
            "test_tries_end_and_the_answer_says_that_trying_again_is_ours",
            "test_an_outage_is_not_multiplied_by_retries",
            "test_the_pause_that_a_provider_names_is_kept",
            "test_a_deployment_that_keeps_failing_is_left_alone_until_a_probe_succeeds",
        ),
    ),
    "broken-providers": Promise(
        "Whatever a provider does, the caller gets an answer or an error in its dialect, and a record tells of it.",
        (
            "test_whatever_a_provider_writes_the_caller_gets_an_answer_and_a_record",
            "test_a_stream_that_goes_wrong_ends_in_an_error_and_never_as_if_it_were_whole",
            "test_an_answer_that_is_cut_anywhere_is_broken_and_never_done",
        ),
    ),
    "back-pressure": Promise(
        "A slow caller pauses its provider; a caller that leaves ends the call, and what was used is recorded.",
        (
            "test_a_caller_that_does_not_read_pauses_the_provider_and_gets_all_when_it_does",
            "test_a_caller_that_leaves_mid_stream_pays_for_what_was_said",
            "test_a_caller_that_leaves_before_the_answer_ends_the_call_at_once",
        ),
    ),
    "decisions-recomputed": Promise(
        "A recorded decision can be computed again and is the same, or the missing input is named.",
        (
            "test_a_fallback_is_explained_and_recomputed_to_the_same_decision",
            "test_an_explanation_names_the_missing_input",
            "test_an_explanation_that_no_longer_agrees_ends_with_an_error",
        ),
    ),
    # what lasts
    "batches-once": Promise(
        "A batch runs behind callers and survives kill -9: no line is sent twice, each has one result or error.",
        (
            "test_a_batch_killed_in_the_middle_goes_on_and_asks_nothing_twice",
            "test_a_batch_survives_being_killed_again_and_again",
            "test_a_batch_waits_while_callers_take_the_room_and_callers_never_wait_for_it",
            "test_a_key_sees_its_own_batches_alone_and_an_admin_all",
        ),
    ),
    "no-promise-lost": Promise(
        "A process killed at any moment loses no accepted request; the next start closes it as unknown.",
        (
            "test_a_killed_process_loses_no_promise",
            "test_what_was_accepted_and_never_closed_is_closed_as_unknown_at_the_next_start",
            "test_a_tail_torn_at_any_byte_is_kept_aside_and_cut",
        ),
    ),
    "no-answer-without-record": Promise(
        "Nothing is sent without a promise in the ledger, and an answer without its record does not count as given.",
        (
            "test_without_a_promise_in_the_ledger_nothing_is_sent",
            "test_an_answer_without_its_record_does_not_count_as_given",
            "test_killed_in_the_middle_of_many_requests_it_has_a_record_of_each",
            "test_after_kill_9_the_next_start_says_what_it_closed",
        ),
    ),
    "drains": Promise(
        "Told to stop it takes nothing new, lets what runs finish, and cuts what does not end.",
        (
            "test_told_to_stop_it_finishes_what_runs_and_takes_nothing_new",
            "test_a_stream_that_does_not_end_is_cut_when_the_time_to_drain_is_over",
        ),
    ),
    "ledger-tamper-evident": Promise(
        "No byte of the ledger can change unseen; a cut end is found by whoever kept a checkpoint.",
        (
            "test_no_byte_of_a_segment_of_the_rows_or_of_the_checkpoints_can_change",
            "test_a_record_replaced_with_its_crc_put_right_is_found",
            "test_a_log_cut_below_a_checkpoint_is_found_also_when_its_own_checkpoints_are_cut_with_it",
            "test_a_ledger_is_held_to_a_key_and_a_checkpoint_that_were_kept_elsewhere",
            "test_a_changed_byte_is_found_and_named",
        ),
    ),
    "foreign-verifiers": Promise(
        "Trees and checkpoints are those of RFC 6962 and C2SP, so that others' programs verify them.",
        (
            "test_the_published_inclusion_proofs_are_judged_as_published",
            "test_the_published_consistency_proofs_are_judged_as_published",
            "test_a_note_signed_by_another_program_verifies_and_ours_is_the_same_to_the_byte",
        ),
    ),
    "full-disk": Promise(
        "On a disk that is full or fails nothing is promised that cannot be kept, and it goes on when it can.",
        (
            "test_a_full_disk_refuses_what_does_not_fit_and_leaves_no_half_frame",
            "test_checkpoints_that_cannot_be_written_pause_acceptance_until_they_can",
            "test_a_disk_that_fails_to_sync_ends_acceptance",
        ),
    ),
    "projection-rebuilt": Promise(
        "The tables are made from the ledger and can be made anew, by many processes at once.",
        (
            "test_the_tables_are_made_anew_from_the_ledger",
            "test_cleared_and_projected_anew_it_is_the_same",
            "test_processes_that_project_at_once_neither_skip_nor_repeat",
        ),
    ),
    # what models cost
    "prices-change-in-view": Promise(
        "A newer catalog is taken only from somebody whom the operator trusts; each price that changes is told and "
        "recorded, and one command takes it back.",
        (
            "test_what_nobody_signed_whom_we_trust_or_what_is_old_is_refused_and_nothing_changes",
            "test_every_change_is_an_act_of_the_ledger_with_who_why_and_which_price",
            "test_a_process_that_dies_at_any_moment_leaves_the_old_catalog_or_the_new_one",
            "test_a_running_gateway_bills_by_the_catalog_in_use_and_follows_a_rollback",
        ),
    ),
    "aliases-move-by-date": Promise(
        "A name that stands for the newest model is billed and served as that model from its day on, and says so.",
        (
            "test_the_newest_dated_one_of_its_very_name_is_meant_from_its_day_on",
            "test_a_guess_that_price_or_context_speaks_against_is_not_believed_and_says_so",
            "test_an_alias_with_a_price_of_its_own_costs_that_until_it_moves_and_then_what_it_means",
            "test_the_gateway_serves_an_alias_and_serves_another_model_by_it_from_midnight_on",
        ),
    ),
    "wrong-prices-wait": Promise(
        "What changed suspiciously in a catalog waits for the operator while what held stays; the rest does not.",
        (
            "test_every_injected_fault_is_held_back_by_its_name_and_no_ordinary_change_is",
            "test_of_many_offers_those_that_creep_are_held_back_and_no_other",
        ),
    ),
    # the simulated provider
    "simulated-repeats": Promise(
        "The simulated provider depends on its seed and the requests alone: runs repeat.",
        ("test_runs_repeat", "test_what_one_request_leads_to_does_not_depend_on_others"),
    ),
    "simulated-fails-like-real": Promise(
        "It fails in every way that providers do, in process and on a socket alike.",
        ("test_a_fault_is_heard_as_it_happened_and_failure_once", "test_it_fails_as_told"),
    ),
    # the documents
    "snippets-run": Promise(
        "Every snippet of the documentation runs, and every link leads somewhere.",
        (
            "test_the_commands_and_programs_of_a_page_run_in_their_order",
            "test_the_settings_of_a_page_are_right",
            "test_every_link_of_a_page_leads_somewhere",
        ),
    ),
    "references-complete": Promise(
        "Every setting, error, command, route, header, word and dependency is in the documentation.",
        (
            "test_the_reference_lists_every_setting_of_a_table_with_its_default",
            "test_the_reference_has_every_error_under_its_branch_with_its_status",
            "test_the_reference_has_every_command_with_all_its_options",
            "test_the_reference_has_every_route_with_who_may_ask",
            "test_the_reference_has_every_header_that_we_write",
            "test_every_core_type_is_among_the_words",
            "test_every_dependency_has_a_sentence_and_a_licence",
        ),
    ),
    "demo-true": Promise(
        "The demo shows a fallback, costs and a verified ledger that really happened, and fails where they did not.",
        (
            "test_the_demo_shows_an_outage_a_fallback_costs_and_a_ledger_that_holds",
            "test_without_the_outage_the_demo_says_that_its_claim_is_not_true",
        ),
    ),
    # traffic that becomes models
    **FLYWHEEL,
}
