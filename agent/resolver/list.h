// Doubly linked lists through their elements: no allocation, and an element leaves in O(1) wherever
// it stands. An element derives from ListNode<Tag> for each list it can be in; it must not move,
// and must leave its lists before it dies.
#pragma once

namespace dove::agent {

template <class Tag>
struct ListNode {
  ListNode* previous = nullptr;
  ListNode* next = nullptr;

  bool in_list() const noexcept { return next != nullptr; }
  void leave() noexcept {
    if (!in_list()) return;
    previous->next = next;
    next->previous = previous;
    previous = next = nullptr;
  }
};

template <class T, class Tag>
class List {
 public:
  List() noexcept { end_.previous = end_.next = &end_; }
  List(const List&) = delete;
  List& operator=(const List&) = delete;

  bool empty() const noexcept { return end_.next == &end_; }
  // Precondition: !empty().
  T& front() const noexcept { return *static_cast<T*>(end_.next); }

  // Precondition: it is in no list of this tag.
  void push_back(T& element) noexcept {
    ListNode<Tag>& node = element;
    node.previous = end_.previous;
    node.next = &end_;
    end_.previous->next = &node;
    end_.previous = &node;
  }

  // `visit` may take the element it is given out of the list, and no other.
  template <class Visit>
  void for_each(Visit visit) const {
    for (ListNode<Tag>* node = end_.next; node != &end_;) {
      ListNode<Tag>* next = node->next;
      visit(*static_cast<T*>(node));
      node = next;
    }
  }

 private:
  ListNode<Tag> end_;
};

}  // namespace dove::agent
