;; Answers with JSON that is nested 100,000 levels deep.
;;
;; request: read harm
;; status: 500
;; error: nested deeper than

(func $hostile (result i32)
  (local $text i32)
  (local.set $text (call $repeat (i32.const 0x5b) (i32.const 200005))) ;; `[`
  (i64.store (local.get $text) (i64.const 0x5b5b5b3a2261227b)) ;; `{"a":[[[`
  (memory.fill (i32.add (local.get $text) (i32.const 100005)) (i32.const 0x5d) (i32.const 100000))
  (i32.store8 offset=200004 (local.get $text) (i32.const 0x7d))
  (call $answer (local.get $text) (i32.const 200005)))
