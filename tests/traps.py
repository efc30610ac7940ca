"""The traps of the wires, each with the tests that hold it. `test_traps_listed.py` sees that these exist."""

TRAPS: dict[str, tuple[str, ...]] = {
    # calls of tools
    "tool-index-missing-null-repeated": (
        "test_calls_are_told_apart_and_named_for_callers_of_every_dialect",
        "test_parallel_calls_are_told_apart_however_they_are_counted",
        "test_the_calls_of_a_recorded_stream_never_share_an_index",
    ),
    "tool-id-absent-or-empty": (
        "test_calls_are_told_apart_and_named_for_callers_of_every_dialect",
        "test_calls_without_ids_are_told_apart_by_their_names",
        "test_calls_without_ids_get_some_that_their_results_share",
        "test_calls_without_ids_get_ids_that_their_answers_find_in_order",
        "test_a_call_without_an_id_gets_one_of_its_own",
    ),
    "two-calls-merged": (
        "test_calls_are_told_apart_and_named_for_callers_of_every_dialect",
        "test_calls_whose_pieces_are_mixed_become_blocks_that_are_not",
    ),
    "finish-stop-with-tool-calls": ("test_calls_are_told_apart_and_named_for_callers_of_every_dialect",),
    "empty-arguments": (
        "test_a_call_without_arguments_has_an_empty_object_of_them",
        "test_a_call_has_an_object_of_arguments_even_without_any",
        "test_arguments_of_a_function_are_told_as_they_come_and_none_are_an_empty_object",
    ),
    "parallel-tool-results-order-and-grouping": (
        "test_results_of_parallel_calls_find_their_calls_in_any_order_and_grouping",
        "test_results_of_parallel_calls_are_grouped_in_the_order_of_the_calls_before_other_words",
        "test_a_conversation_becomes_contents_with_answers_right_after_their_calls_and_in_their_order",
    ),
    # usage
    "include-usage-false-while-we-need-it": (
        "test_usage_of_a_stream_is_asked_for_whatever_the_caller_says",
        "test_only_a_chunk_that_is_nothing_but_usage_is_kept_from_a_caller_that_asked_for_none",
        "test_usage_comes_at_the_end_of_a_stream_only_where_it_was_asked_for",
    ),
    "usage-in-every-chunk-or-with-choices": (
        "test_usage_counts_once_wherever_it_stands",
        "test_usage_in_every_chunk_counts_once",
        "test_a_cumulative_usage_is_the_last_one",
    ),
    # requests
    "null-versus-absent": ("test_null_is_the_same_as_absent",),
    "max-tokens-names-and-required-in-messages": (
        "test_the_limit_of_an_answer_has_its_name_in_every_dialect",
        "test_messages_get_a_limit_where_the_caller_gave_none",
        "test_a_provider_that_knows_one_name_of_the_limit_gets_that_one_once",
    ),
    "system-and-developer-roles": (
        "test_what_a_system_or_a_developer_says_is_said_by_the_system_in_every_dialect",
        "test_system_messages_go_to_the_top_wherever_they_stood",
    ),
    "consecutive-roles": (
        "test_turns_of_one_role_that_follow_each_other_lose_nothing_in_any_dialect",
        "test_turns_of_one_role_that_follow_each_other_become_one",
    ),
    "assistant-prefill": (
        "test_an_answer_that_was_begun_for_the_model_stays_the_last_turn",
        "test_empty_texts_are_left_out_and_a_beginning_ends_without_white_space",
    ),
    "schema-additional-properties": ("test_a_schema_keeps_its_members_in_every_dialect",),
    "schema-ref": (
        "test_a_schema_keeps_its_members_in_every_dialect",
        "test_a_schema_that_holds_itself_ends_where_it_begins_again",
    ),
    "schema-any-of": ("test_a_schema_keeps_its_members_in_every_dialect",),
    "schema-strict": ("test_strict_is_kept_where_a_dialect_has_the_word",),
    "several-choices": (
        "test_several_choices_logprobs_and_seeds_arrive_or_are_named",
        "test_of_several_choices_a_dialect_with_one_tells_the_first_alone",
    ),
    "logprobs": ("test_several_choices_logprobs_and_seeds_arrive_or_are_named",),
    "seed": ("test_several_choices_logprobs_and_seeds_arrive_or_are_named",),
    # reasons to stop
    "stop-reasons-in-all-directions": (
        "test_every_reason_of_messages_is_told_in_every_dialect",
        "test_every_reason_of_chat_completions_is_told_in_every_dialect",
        "test_a_recorded_answer_means_the_same_to_a_caller_of_another_dialect",
    ),
    "pause-turn": ("test_every_reason_of_messages_is_told_in_every_dialect",),
    "refusal": ("test_every_reason_of_messages_is_told_in_every_dialect", "test_a_refusal_is_a_text_and_a_reason"),
    "model-context-window-exceeded": ("test_every_reason_of_messages_is_told_in_every_dialect",),
    "content-filter": ("test_every_reason_of_chat_completions_is_told_in_every_dialect",),
    # streams
    "gzip-and-br-with-sse": ("test_a_compressed_stream_was_not_asked_for_and_is_named",),
    "utf-8-split-across-chunks": ("test_a_letter_that_is_split_between_two_pieces_is_whole_again",),
    "sse-comments": (
        "test_comments_between_events_say_nothing",
        "test_comments_before_the_first_content_are_passed_on_with_it",
    ),
    "done-missing": (
        "test_a_stream_is_whole_with_and_without_done",
        "test_a_stream_that_ends_before_its_reason_is_never_whole",
    ),
    "error-after-content": (
        "test_an_error_after_content_comes_after_the_content_in_every_dialect",
        "test_an_error_in_a_recorded_stream_comes_after_what_was_said_before_it",
    ),
    # between sockets
    "media-by-url-leads-inside": (
        "test_an_address_inside_is_for_hosts_that_the_operator_names",
        "test_a_url_that_is_not_plain_is_not_followed",
        "test_a_name_that_leads_inside_only_at_its_second_hop_is_not_followed",
    ),
    "context-smaller-than-the-prompt": ("test_a_prompt_longer_than_the_context_is_refused_and_never_cut",),
    "auth-header-precedence": (
        "test_of_several_keys_the_most_particular_header_holds_and_the_query_last",
        "test_a_key_is_taken_from_the_query_and_a_header_goes_before_it",
    ),
    "callers-key-never-forwarded": (
        "test_the_key_of_a_caller_never_reaches_a_provider",
        "test_a_whole_answer_of_gemini_passes_as_it_is_and_the_callers_key_stays_here",
    ),
}
"""A trap -> the tests, by name, that would fail if it caught us."""
